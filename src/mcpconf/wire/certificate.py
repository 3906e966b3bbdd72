"""What a certificate says, read from DER (RFC 5280, X.690): names, dates, who signed it.

For certificates that were refused: ``ssl`` tells nothing of those.
"""

from __future__ import annotations

import calendar
import socket
import time

from mcpconf.wire.safe import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _OID, _UTC, _GENERALIZED = 0x30, 0x06, 0x17, 0x18
_OPTIONAL_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP = 0x82, 0x87
_ALTERNATIVE_NAME = b"\x55\x1d\x11"  # 2.5.29.17
_COMMON_NAME, _ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"
_MOST_NAMES = 20


def certificate_facts(der: bytes) -> dict[str, object]:
    """Names, dates, subject and issuer; {} where it is no certificate."""
    try:
        return _facts(der)
    except (IndexError, ValueError, OverflowError):
        return {}


def _facts(der: bytes) -> dict[str, object]:
    outer = next(_values(der))[1]
    fields = list(_values(next(_values(outer))[1]))
    if fields[0][0] == _OPTIONAL_VERSION:
        del fields[0]
    issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
    since, until = (_moment(tag, value) for tag, value in _values(validity))
    names = [name for tag, value in fields[5:] if tag == _EXTENSIONS for name in _names(value)]
    return {
        "names": [printable(name, 100) for name in names[:_MOST_NAMES]],
        "since": since,
        "until": until,
        "issuer": printable(_called(issuer), 80),
        "subject": printable(_called(subject), 80),
    }


def _values(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value that stands in a text."""
    at = 0
    while at < len(text):
        tag, length = text[at], text[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            if not 0 < count <= 4:  # noqa: PLR2004
                raise ValueError(count)
            length = int.from_bytes(text[at : at + count], "big")
            at += count
        if at + length > len(text):
            raise ValueError(length)
        yield tag, text[at : at + length]
        at += length


def _moment(tag: int, value: bytes) -> int:
    text = value.decode("ascii")
    if tag == _UTC:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED:
        raise ValueError(tag)
    return calendar.timegm(time.strptime(text[:14], "%Y%m%d%H%M%S"))


def _names(extensions: bytes) -> Iterator[str]:
    for _, extension in _values(next(_values(extensions))[1]):
        parts = list(_values(extension))
        if parts[0] != (_OID, _ALTERNATIVE_NAME):
            continue
        for tag, value in _values(next(_values(parts[-1][1]))[1]):
            if tag == _DNS_NAME:
                yield value.decode("ascii", "replace")
            elif tag == _IP and len(value) in (4, 16):
                family = socket.AF_INET if len(value) == 4 else socket.AF_INET6  # noqa: PLR2004
                yield socket.inet_ntop(family, value)


def _called(name: bytes) -> str:
    """The common name of a distinguished name, else its organisation."""
    found: dict[bytes, str] = {}
    for _, part in _values(name):
        for _, pair in _values(part):
            (_, kind), (_, value) = list(_values(pair))[:2]
            found.setdefault(kind, value.decode("utf-8", "replace"))
    return found.get(_COMMON_NAME) or found.get(_ORGANISATION, "")
