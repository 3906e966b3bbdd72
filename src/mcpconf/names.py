"""How a host is spelled: names as A-labels, addresses in canonical text, foreign text in messages.

Everything here reads text that came with a cloned repository.  Two rules follow.  A host leaves
this package only as ASCII that was looked at character by character (:data:`Host`), so that it can
stand in a rule, a file or an argument.  And foreign text enters a message only through
:func:`quote`, so that it can neither move the cursor nor reorder the line.

=====================  ===========================================================================
``name_fault``         RFC 1035 §2.3.4 (lengths), RFC 952 (hyphens), RFC 5891 §4.2 (A-labels)
``a_labels``           UTS 46 non-transitional, then IDNA2008, by the ``idna`` package
``read_ipv4``          WHATWG URL §3.5, the IPv4 parser: every spelling a client understands
``read_ipv6``          RFC 4291 §2.2 in, RFC 5952 §4 out
=====================  ===========================================================================

It is on the way to every command, so whatever costs time to import is imported where it is used.
"""

from __future__ import annotations

from typing import NamedTuple, NewType

Host = NewType("Host", str)
"""A lower-case ASCII name (A-labels), or an IP address in canonical text.  Never empty."""

LONGEST_NAME = 253  # RFC 1035 §2.3.4: 255 octets on the wire are 253 characters of text
LONGEST_LABEL = 63
LONGEST_INPUT = 1000  # beyond this nobody meant a host; IDNA's work grows with the text

_DIGITS, _HEX = "0123456789", "0123456789abcdefABCDEF"
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
# Letters, digits, punctuation, symbols.  Marks are out (they pile up on what stands before them),
# and so is everything that is invisible or unassigned.
_SHOWN = "LNPS"
# Letters and symbols that a terminal draws as nothing: Hangul fillers, the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "ON"})


class Problem(NamedTuple):
    """Why a text is refused.  Foreign text is in here only through :func:`quote`."""

    message: str
    help: str = ""


def quote(text: str, limit: int = 60) -> str:
    r"""Show foreign text in a message: in backticks, harmless, at most ``limit`` wide.

    Whatever is not plainly visible and read from left to right becomes ``\xNN`` or ``\uNNNN``.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and not {"`", "\\"} & {*text}:
        return f"`{text}`"
    shown = [_show(char) for char in text[: limit + 1]]
    if sum(map(len, shown)) <= limit:
        return f"`{''.join(shown)}`"
    width, kept = 0, []
    for piece in shown:
        width += len(piece)
        if width >= limit:
            break
        kept.append(piece)
    return f"`{''.join(kept)}…`"


def _show(char: str) -> str:
    if char == "\\":
        return r"\\"  # else `\x1b` written out could not be told from the real one
    if is_visible(char) and char != "`":
        return char
    code = ord(char)
    if code > 0xFFFF:  # noqa: PLR2004
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"  # noqa: PLR2004


def is_visible(char: str) -> bool:
    """Say whether a character is drawn, stays in its place, and is read from left to right."""
    if char.isascii():
        return char.isprintable()
    from unicodedata import bidirectional, category  # noqa: PLC0415

    return (
        category(char)[0] in _SHOWN and char not in _BLANK and bidirectional(char) in _LEFT_TO_RIGHT
    )


def name_fault(name: str) -> str:
    """Say what keeps a lower-case ASCII name from being a host, as a predicate; "" when nothing.

    Underscores pass: no host may have one (RFC 952), but the DNS carries them (RFC 2181 §11) and
    networks of containers are full of them.
    """
    if len(name) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters, the most a name can have"
    faults = (_label_fault(label) for label in name.split("."))
    return next((fault for fault in faults if fault), "")


def _label_fault(label: str) -> str:
    if not label:
        return "has an empty part: a dot too many"
    strange = next((char for char in label if char not in _LABEL), "")
    if strange:
        return f"has {quote(strange)} in it, which no host name has"
    if len(label) > LONGEST_LABEL:
        return f"has a part of more than {LONGEST_LABEL} characters"
    if label[0] == "-" or label[-1] == "-":
        return "has a part that begins or ends with `-`"
    if label.startswith("xn--") and not _u_label(label):
        return f"has the part {quote(label)}, which is no international name"
    return ""


def _u_label(label: str) -> str:
    """Return the Unicode form of an A-label; "" when it is not one, or not the only one."""
    import idna  # noqa: PLC0415

    try:
        unicode = idna.ulabel(label)
        return unicode if idna.alabel(unicode) == label.encode() else ""
    except (ValueError, IndexError):  # IDNAError is a ValueError
        return ""


def a_labels(name: str) -> str:
    """Return a name in ASCII, mapped as clients map it; "" when IDNA does not know it.

    The result is lower case, but otherwise unchecked: see :func:`name_fault`.
    """
    if name.isascii():
        return name.lower()
    if len(name) > LONGEST_INPUT:
        return ""
    import idna  # noqa: PLC0415

    try:
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode() for label in labels
        )
    except (ValueError, IndexError):
        return ""


def looks_alike(host: str) -> str:
    """Return what an international name looks like to a reader; "" when it is plain ASCII.

    The result is foreign text: it may look like any other name, and needs :func:`quote`.
    """
    if "xn--" not in host or len(host) > LONGEST_INPUT:
        return ""
    labels = host.lower().split(".")
    shown = [_u_label(label) or label if label.startswith("xn--") else label for label in labels]
    return ".".join(shown) if shown != labels else ""


def ends_in_number(name: str) -> bool:
    """Say whether a client takes a name for an IPv4 address (WHATWG URL §3.5, “ends in a number”).

    Then no resolver ever sees it: either it is an address, or the client refuses it.
    """
    last = name.removesuffix(".").rpartition(".")[2]
    return (last.isascii() and last.isdigit()) or _number(last) is not None


def read_ipv4(text: str) -> str:
    """Return the dotted form of an IPv4 address in any spelling; "" when it is not one.

    ``127.1``, ``0x7f.1``, ``0177.0.0.1`` and ``2130706433`` are all ``127.0.0.1``.
    """
    parts = text.removesuffix(".").split(".")
    numbers = [_number(part) for part in parts]
    *first, last = [-1 if number is None else number for number in numbers]
    fits = len(first) < 4 and 0 <= last < 256 ** (4 - len(first))  # noqa: PLR2004
    if not fits or any(number not in range(256) for number in first):
        return ""
    value = last + sum(number << (24 - 8 * index) for index, number in enumerate(first))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _number(part: str) -> int | None:
    """Read a number as C does: ``0x`` is hexadecimal, a leading ``0`` octal."""
    base, alphabet, text = 10, _DIGITS, part
    if part[:2] in {"0x", "0X"}:
        base, alphabet, text = 16, _HEX, part[2:]
    elif len(part) > 1 and part[0] == "0":
        base, alphabet, text = 8, "01234567", part[1:]
    if not part or any(char not in alphabet for char in text):
        return None
    text = text.lstrip("0") or "0"
    return int(text, base) if len(text) <= 11 else 1 << 32  # noqa: PLR2004  # too big for any part


def read_ipv6(text: str) -> str:
    """Return the canonical form of an IPv6 address; "" when it is not one, or has a zone."""
    import ipaddress  # noqa: PLC0415

    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return ""
    if address.scope_id is not None:
        return ""
    if address.ipv4_mapped is not None:  # Python 3.13 began to print these with dots
        low = int(address.ipv4_mapped)
        return f"::ffff:{low >> 16:x}:{low & 0xFFFF:x}"
    return address.compressed


def read_ipv4_inside(address: str) -> str:
    """Return the IPv4 address that an IPv4-mapped IPv6 address stands for; "" when it is none."""
    import ipaddress  # noqa: PLC0415

    return str(ipaddress.IPv6Address(address).ipv4_mapped or "")
