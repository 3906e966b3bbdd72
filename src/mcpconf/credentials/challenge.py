"""What a server says in WWW-Authenticate (RFC 6750 §3, RFC 9728 §5.1).  It is foreign text."""

from __future__ import annotations

import re
from typing import NamedTuple

_LONGEST = 8192  # characters of the header that are looked at
_PARAMETER = re.compile(r'([A-Za-z_]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))')
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # a scope-token of RFC 6749 §3.3
_MOST_WORDS = 100
_PLAIN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]*")
_LONGEST_URL = 2048


class Challenge(NamedTuple):
    """The parameters that matter; a scope is words that may be shown and sent."""

    error: str = ""
    scope: str = ""
    resource_metadata: str = ""

    def header(self) -> str:
        """The challenge as a header of its own, with nothing else of what the server said."""
        values = {k: v for k, v in self._asdict().items() if v}
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in values.items())


def read_challenge(header: str) -> Challenge:
    """Read a header; what is missing or malformed is ""."""
    found: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(header[:_LONGEST]):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        found.setdefault(name.lower(), value)
    url = found.get("resource_metadata", "")
    return Challenge(
        error=words(found.get("error", "")),
        scope=words(found.get("scope", "")),
        resource_metadata=url if len(url) <= _LONGEST_URL and _PLAIN.fullmatch(url) else "",
    )


def words(text: str) -> str:
    """Return the words of a scope that RFC 6749 allows, with one space between them."""
    return " ".join(w for w in text.split()[:_MOST_WORDS] if _WORD.fullmatch(w))
