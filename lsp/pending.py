"""What pygls is handling and waiting for."""

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _collections_abc import dict_items  # the only name of its type


class PendingFutures(dict[str | int, Future[Any]]):
    """The futures of messages by their ids, each until it is done.

    It takes the place of pygls's own `_request_futures`, which has no public name up to 2.1: pygls keeps the future of
    every notification there for good, 1.5 KB a keystroke, and those of commands under names of its own, where the
    cancellation of their requests does not reach them.
    """

    def __setitem__(self, name: str | int, future: Future[Any]) -> None:
        super().__setitem__(name, future)
        future.add_done_callback(partial(self._forget, name))

    # pygls ends futures while it goes over them, which takes them out.
    def items(self) -> "dict_items[str | int, Future[Any]]":
        """Names and futures as they are now."""
        return dict(self).items()

    def cancel_with(self, request: Future[Any], name: str | int) -> None:
        """Cancels the future of that name, if it is pending, when `request` is cancelled."""
        future = self.get(name)
        if future is not None:
            request.add_done_callback(lambda done: done.cancelled() and future.cancel())

    def _forget(self, name: str | int, future: Future[Any]) -> None:
        # Clients may use an id again.
        if self.get(name) is future:
            del self[name]
