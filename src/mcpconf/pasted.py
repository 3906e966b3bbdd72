"""What people paste where a host belongs: a URL, a port, a user, a path, white space, a list.

:func:`unwrap` finds the host inside, so that a message can say what to write; whether that is a
good host is decided in :mod:`mcpconf.hosts`.  :func:`fault_of_text` refuses what no eye can see.
"""

from __future__ import annotations

from mcpconf.names import Problem, ends_in_number, is_visible, quote

LAST_PORT = 65535


def fault_of_text(entry: str) -> Problem | None:
    """Refuse what hides from a reader, and several entries in one."""
    shown = "the entry" if any(char in entry for char in "@/?#") else quote(entry)  # a secret?
    for char in entry:
        if char.isspace():
            return Problem(f"{shown} has white space inside", "write one host per entry")
        if char in ",;":
            return Problem(f"{shown} has a {quote(char)} inside", "write one host per entry")
        if not is_visible(char) and not is_right_to_left(char) and not _is_mark(char):
            return Problem(f"{shown} has an invisible character: {quote(char)}", "type it anew")
    return None


def is_right_to_left(char: str) -> bool:
    from unicodedata import bidirectional  # noqa: PLC0415

    return char.isprintable() and bidirectional(char) in {"R", "AL", "AN"}


def _is_mark(char: str) -> bool:
    from unicodedata import category  # noqa: PLC0415

    return category(char) in {"Mn", "Mc"}  # letters of many scripts need them; IDNA decides


def unwrap(entry: str) -> tuple[str, str, str]:
    """Take a URL, a user, a path and a port off a host: ``(host, port, what was around it)``."""
    faults = []
    scheme, mark, core = entry.partition("://")
    if mark:
        faults.append("is written as a URL; an entry is the host alone")
    else:
        core = scheme
    if mark or not _looks_like_network(core):
        end = min((core.find(char) for char in "/?#\\" if char in core), default=len(core))
        if end < len(core):
            faults.append("has something behind it; an entry is the host alone")
        core = core[:end]
    _, at, core = core.rpartition("@")
    if at:
        faults.append("has a user in front of it; an entry is the host alone")
    core, colon, port = _split_port(core)
    if colon:
        faults.append("has a port; ports have a key of their own")
    return core, port, next(iter(faults), "")


def _looks_like_network(text: str) -> bool:
    head, slash, tail = text.partition("/")
    is_address = head.count(":") > 1 or ends_in_number(head)
    return bool(slash) and is_address and all(char in "0123456789." for char in tail)


def _split_port(text: str) -> tuple[str, str, str]:
    """Split ``host:port``; the brackets of an IPv6 address go as well."""
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        if ":" not in host or rest[:1] not in {"", ":", "/"}:
            return text, "", ""
        if rest[:1] == "/":
            return host + rest, "", ""
    elif text.count(":") == 1:
        host, colon, rest = text.partition(":")
        rest = colon + rest
    else:
        return text, "", ""
    return host, rest[:1], rest[1:] if is_port(rest[1:]) else ""


def is_port(text: str) -> bool:
    digits = text.isascii() and text.isdigit() and len(text) < 6  # noqa: PLR2004
    return digits and 0 < int(text) <= LAST_PORT
