"""Takes back what ``edits.py`` did.

A step whose text still stands is undone to the byte.  Where the user has changed something since,
only what is certainly ours goes, and what stays is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcpconf import jsonc
from mcpconf.devcontainer.edits import (
    CHAIN,
    COMPOSE,
    GATEWAY,
    GUARD,
    HOOK,
    MOUNT,
    Edited,
    Step,
    is_ours,
)
from mcpconf.jsonc import Item, Value

_ARRAYS = {
    "runArgs": (GATEWAY,),
    "mounts": (MOUNT, GUARD),
    "dockerComposeFile": (COMPOSE,),
}
_UNMISTAKABLE = ("features", "initializeCommand", "mounts", "dockerComposeFile")


def undo(text: str, steps: Sequence[Step] | None, *, unsure: bool = False) -> Edited:
    """Take steps back, the last one first.  None: no record tells what was done.

    ``unsure``: there may have been steps before those.

    Raises:
        JsoncError: it cannot be read.

    """
    done = Edited(text)
    if done.root.kind != "object":
        return done
    made = {step.path[0] for step in steps or () if step.put and len(step.path) == 1}
    for step in reversed(steps or ()):
        done = _step_back(done, step)
    unknown = unsure or steps is None
    touched = [step.path[0] for step in steps or ()] + (list(_UNMISTAKABLE) if unknown else [])
    for name in dict.fromkeys(touched):
        done = _rest(done, name, made=name in made)
    return done._replace(notes=tuple(_left(done.root, unknown)))


# --- a step, exactly --------------------------------------------------------------------------


def _step_back(done: Edited, step: Step) -> Edited:
    box, item = _find(done.text, step)
    if box is None or item is None:
        return done
    if step.put is not None:
        text = jsonc.cut(done.text, box, item, step.put)
        if text is None and _says(item, step.put.item):
            text = jsonc.cut_anyhow(done.text, box, item)  # it was only laid out anew
        return done if text is None else _said(done, text, step.path[0])
    if jsonc.raw(done.text, item.value) != step.new:
        return done
    return _said(done, jsonc.replace(done.text, item.value, step.old), step.path[0])


def _find(text: str, step: Step) -> tuple[Value | None, Item | None]:
    """The value that holds a step's item, and that item."""
    box: Value | None = jsonc.parse(text)
    for name in step.path[:-1]:
        box = box.get(name) if box else None
    item = _member(box, step.path[-1])
    if step.put is None or item is None or step.put.item.startswith(f"{_key(step)}: "):
        return box, item
    wanted = jsonc.parse(step.put.item).plain  # an element of the array of that name
    elements = [i for i in item.value.items or () if i.key is None and i.value.plain == wanted]
    return item.value, elements[-1] if elements else None


def _says(item: Item, spelled: str) -> bool:
    """Whether an item has the value of another one as it is spelled."""
    box = f"[{spelled}]" if item.key is None else f"{{{spelled}}}"
    wanted = jsonc.parse(box).items or ()
    return [(i.key, i.value.plain) for i in wanted] == [(item.key, item.value.plain)]


def _key(step: Step) -> str:
    return jsonc.quoted(step.path[-1])


def _member(box: Value | None, key: str) -> Item | None:
    return next((i for i in (box.items or () if box else ()) if i.key == key), None)


def _said(done: Edited, text: str, name: str) -> Edited:
    said = f"{name}: taken back"
    changes = done.changes if said in done.changes else (*done.changes, said)
    return done._replace(text=text, changes=changes)


# --- what has been changed since --------------------------------------------------------------


def _rest(done: Edited, name: str, *, made: bool) -> Edited:
    """Take our items out of a property; of one that we made and that is empty then, all."""
    found = done.text
    while (taken := _without_one(found, name)) is not None:
        found = taken
    if found == done.text:
        return done
    member = _member(jsonc.parse(found), name)
    if made and member is not None and not member.value.items:
        found = jsonc.cut_anyhow(found, jsonc.parse(found), member)
    return _said(done, found, name)


def _without_one(text: str, name: str) -> str | None:
    box = jsonc.parse(text).get(name)
    if box is None:
        return None
    if box.kind == "string":
        spelled = jsonc.raw(text, box)
        ours = spelled.endswith(f'{CHAIN}"')
        return jsonc.replace(text, box, f'{spelled[: -len(CHAIN) - 1]}"') if ours else None
    item = next((i for i in box.items or () if _is_ours(name, i)), None)
    return None if item is None else jsonc.cut_anyhow(text, box, item)


def _is_ours(name: str, item: Item) -> bool:
    if name == "features":
        return is_ours(item.key)
    if name == "initializeCommand":
        return item.key == "mcpconf" and item.value.scalar == HOOK
    return item.key is None and item.value.scalar in _ARRAYS.get(name, ())


def _left(root: Value, unknown: bool) -> Iterator[str]:  # noqa: FBT001
    """Say what is left that may come from us."""
    for name in ("postStartCommand", "postAttachCommand"):
        value = root.get(name)
        if value is not None and CHAIN.removeprefix(" && ") in str(value.plain):
            yield f"{name} still calls mcpconf-fw: take that out"
    hook = root.get("initializeCommand")
    if hook is not None and "mcpconf hook" in str(hook.plain):
        yield "initializeCommand still calls mcpconf, as it was changed by hand: take that out"
    if (
        unknown
        and root.get("runArgs") is not None
        and GATEWAY in (root.get("runArgs") or root).plain
    ):
        yield "runArgs has --add-host=host.docker.internal, from whomever: it stays"
    if unknown and root.get("waitFor") is not None:
        yield "waitFor stays as it is: nothing tells what it was before"
