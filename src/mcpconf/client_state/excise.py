"""Taking members out of a JSON text; every other byte stays as the client wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mcpconf.client_state.stale import Pointer
from mcpconf.origin import BOM, Member, members


def without(text: str, gone: Collection[Pointer]) -> str:
    """The text without the members that ``gone`` names; of a key given twice all go."""
    start = len(BOM) if text.startswith(BOM) else 0
    for parent in sorted({pointer[:-1] for pointer in gone}, reverse=True):
        names = {pointer[-1] for pointer in gone if pointer[:-1] == parent}
        for at in sorted(_objects(text, start, parent), reverse=True):
            text = _cut(text, at, names)
    return text


def _objects(text: str, start: int, parent: Pointer) -> Iterator[int]:
    """Where the objects of that name begin: more than one if a key is given twice."""
    if not parent:
        yield start
        return
    for member in members(text, start):
        if member.key == parent[0]:
            yield from _objects(text, member.start, parent[1:])


def _cut(text: str, start: int, names: Collection[str]) -> str:
    found = list(members(text, start))
    kept = [(n, m) for n, m in enumerate(found) if m.key not in names]
    if len(kept) == len(found):
        return text
    first, last = found[0], found[-1]
    if not kept:
        opened = text.rindex("{", 0, first.key_at) + 1
        return text[:opened] + text[text.index("}", last.end) :]
    pieces = [text[: first.key_at]]
    for place, (n, member) in enumerate(kept):
        if place:
            pieces.append(_between(text, found, n))
        pieces.append(text[member.key_at : member.end])
    return "".join((*pieces, text[last.end :]))


def _between(text: str, found: list[Member], number: int) -> str:
    """What stands between a member and the one before it: a comma and white space."""
    return text[found[number - 1].end : found[number].key_at]
