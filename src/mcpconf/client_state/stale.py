"""Which remembered things are stale: a judgement over parsed files, nothing is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

FRESH = 15 * 60 * 1000  # milliseconds for which the client believes an entry (fact 56)

Pointer = tuple[str, ...]


class Stale(NamedTuple):
    """One entry to take out: where it stands, whose it is, and why it goes."""

    pointer: Pointer
    server: str
    why: str


class Question(NamedTuple):
    """Whose entries are asked about.

    ``now`` is in milliseconds.  ``planned`` are the servers of this project's plan: in the
    container they never need a login, the host has it.  ``names`` are those that the user names;
    none: all.
    """

    now: int
    planned: Collection[str]
    names: Collection[str] = ()


def needs_auth(document: object, question: Question) -> Iterator[Stale]:
    """Judge ``mcp-needs-auth-cache.json``: ``{NAME: {"timestamp": milliseconds}}``."""
    for name, entry in _members(document):
        why = _why(name, _timestamp(entry), question)
        if why and (not question.names or name in question.names):
            yield Stale((name,), name, why)


def _why(name: str, at: float | None, question: Question) -> str:
    if at is None:
        return ""
    if at > question.now:
        return "it lies in the future, so it would not expire"
    if question.now - at >= FRESH:
        return "it has expired"
    if name in question.names:
        return "you named it"
    if name in question.planned:
        return "the server is in this plan, so the container needs no login for it"
    return ""


def _timestamp(entry: object) -> float | None:
    at = entry.get("timestamp") if isinstance(entry, dict) else None
    return at if isinstance(at, int | float) and not isinstance(at, bool) else None


def without_token(document: object, question: Question) -> Iterator[Stale]:
    """Judge ``.credentials.json``: ``{"mcpOAuth": {"NAME|HASH": {…}}}``."""
    logins = document.get("mcpOAuth") if isinstance(document, dict) else None
    for key, login in _members(logins):
        name = key.rpartition("|")[0] or key
        asked = not question.names or name in question.names
        if asked and isinstance(login, dict) and not _token(login):
            yield Stale(("mcpOAuth", key), name, "it holds no token, and keeps the client off")


def _token(login: Mapping[str, object]) -> bool:
    return bool(login.get("accessToken") or login.get("refreshToken"))


def _members(document: object) -> Iterator[tuple[str, object]]:
    yield from document.items() if isinstance(document, dict) else ()
