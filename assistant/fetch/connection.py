"""A GET over https: time limits, redirects, what an answer means, and when to ask again."""

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from assistant.fetch.transfer import SourceError

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
REDIRECTS = 5
# Seconds before each further try, counted anew whenever bytes have come.
PAUSES = (0.5, 1.0, 2.0, 4.0)

_ASK_AGAIN = (
    httpx2.codes.REQUEST_TIMEOUT,
    httpx2.codes.RANGE_NOT_SATISFIABLE,
    httpx2.codes.TOO_MANY_REQUESTS,
)


class BrokenOffError(Exception):
    """The transfer broke off; trying again may do."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at an address, and how it is asked for."""

    client: httpx2.Client
    url: httpx2.URL
    headers: Mapping[str, str]

    @contextmanager
    def answer(self, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """The answer to a GET, after redirects; none leads from a secure address to one that is not.

        Raises:
            SourceError: it redirects to where nobody may be sent, or too often.
        """
        sent = {**self.headers, "Accept-Encoding": "identity", **headers}
        address = self.url
        for _ in range(REDIRECTS + 1):
            with self.client.stream("GET", address, headers=sent, follow_redirects=False) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                location = response.headers["Location"]
            target = _target(address, location)
            if target.host != address.host:
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            address = target
        raise SourceError(f"the server redirects more than {REDIRECTS} times")


@contextmanager
def opened(url: str, headers: Mapping[str, str]) -> Iterator[Remote]:
    """The file at `url`, to be asked for with `headers` besides our own, over connections that end with the context.

    Raises:
        SourceError: that is no address.
    """
    timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    with httpx2.Client(timeout=timeout) as client:
        yield Remote(client, parsed(url), headers)


def parsed(url: str) -> httpx2.URL:
    """Raises SourceError where `url` is no address."""
    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise SourceError(f"{url!r} is no address ({error})") from error


def is_loopback(url: httpx2.URL) -> bool:
    """Whether the address is of this machine."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def is_safe(url: httpx2.URL) -> bool:
    """Whether nobody on the way can change what comes."""
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url))


def refuse(response: httpx2.Response) -> None:
    """Raises what an answer without the wanted bytes means: SourceError, or BrokenOffError where a later one may do."""
    status = response.status_code
    answered = f"the server answers {status} {response.reason_phrase}"
    if status >= 500 or status in _ASK_AGAIN:
        raise BrokenOffError(answered)
    raise SourceError(answered)


def insist(attempt: Callable[[], None], done: Callable[[], int], pause: Callable[[float], object] = time.sleep) -> None:
    """Makes the attempt again, after pauses, until it succeeds or nothing comes any more.

    Args:
        attempt: raises BrokenOffError or httpx2.TransportError if another try may do.
        done: bytes so far, by which an attempt is judged to have brought any.
        pause: waits for some seconds.

    Raises:
        SourceError: the last tries brought nothing.
    """
    failures = 0
    answered = False
    while True:
        before = done()
        try:
            return attempt()
        except (httpx2.TransportError, BrokenOffError) as error:
            answered = answered or isinstance(error, BrokenOffError) or done() != before
            # A server that was never reached will not be in a second either, and another source may be at hand.
            if not answered and isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise SourceError(f"no connection ({_reason(error)})", unreachable=True) from error
            failures = 1 if done() > before else failures + 1
            if failures > len(PAUSES):
                raise SourceError(f"the transfer broke off ({_reason(error)})", unreachable=not answered) from error
            pause(PAUSES[failures - 1])


def _target(address: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = address.join(location)
    except (httpx2.InvalidURL, ValueError) as error:
        raise SourceError(f"the server redirects to {location!r}, which is no address") from error
    if not is_safe(target) or (is_loopback(target) and not is_loopback(address)):
        raise SourceError(f"the server redirects to {target}, which is not https")
    return target


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
