"""Keys, tokens and passwords in files: such a file is never calibration text, as a model may learn what it is shown."""

import math
import re
from collections import Counter

_NAMES = re.compile(
    r"(?:\.env(?:\..+)?|\.netrc|\.npmrc|\.pypirc|id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:pem|key|p12|pfx|kdbx))"
)

# Formats that their issuers document, which nothing else has.
_KNOWN = re.compile(
    r"""-----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----\s*[A-Za-z0-9+/=]{20}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{36,}\b | \bgithub_pat_\w{60,} | \bglpat-[\w-]{20,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{20,} | \bAIza[\w-]{35}\b
    | \b[rs]k_live_[A-Za-z0-9]{20,} | \bsk-(?:proj-|ant-)?[\w-]{40,}
    | \bnpm_[A-Za-z0-9]{36}\b | \bpypi-AgE[\w-]{50,} | \bhf_[A-Za-z0-9]{34}\b
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}
    """,
    re.VERBOSE,
)

# Quoted text that is given to something that is called a secret.
_ASSIGNED = re.compile(
    r"""(?:secret|password|passwd|api_?key|access_?key|auth_?key|private_?key|token|credential)\w*["']?
    \s*(?::=|[:=])\s*["']([A-Za-z0-9+/=_.~-]{20,200})["']""",
    re.VERBOSE | re.IGNORECASE,
)
# Bits a character: random base64 of 20 characters has 4 at the least, English words joined by dashes seldom more.
_LEAST_ENTROPY = 3.7


def has_secret_name(name: str) -> bool:
    """Whether a file of this name, of which the last part counts, is one that keys and passwords are kept in."""
    return _NAMES.fullmatch(name.rpartition("/")[2].lower()) is not None


def has_secret(text: str) -> bool:
    """Whether a text holds a key or token of a known form, or gives something random to a name such as `api_key`."""
    return _KNOWN.search(text) is not None or any(_looks_random(match[1]) for match in _ASSIGNED.finditer(text))


def _looks_random(value: str) -> bool:
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts) >= _LEAST_ENTROPY
