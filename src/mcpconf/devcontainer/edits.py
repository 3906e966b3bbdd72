"""What a devcontainer.json needs, property by property.

Each property is left alone where it already says what we need, in whatever way.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from mcpconf import jsonc
from mcpconf.jsonc import Inserted, JsoncError, Raw, Value

HOOK = "mcpconf hook initialize || exit 0"
GATEWAY = "--add-host=host.docker.internal:host-gateway"
MOUNT = (
    "source=${localWorkspaceFolder}/.devcontainer/mcpconf,target=/etc/mcpconf,type=bind,readonly"
)
GUARD = (
    "source=${localWorkspaceFolder}/.devcontainer,"
    "target=${containerWorkspaceFolder}/.devcontainer,type=bind,readonly"
)
COMPOSE = "docker-compose.mcpconf.yml"
CHAIN = " && sudo -n /usr/local/bin/mcpconf-fw apply"
WAIT = "postStartCommand"

_CALL = "mcpconf hook initialize"
_INSIDE = "/etc/mcpconf"
_STEPS = (
    "initializeCommand",
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
)
_TYPES = {
    "features": ("object",),
    "initializeCommand": ("string", "array", "object"),
    "runArgs": ("array",),
    "dockerComposeFile": ("string", "array"),
    "mounts": ("array",),
    "waitFor": ("string",),
}
_FEATURE = re.compile(r"(?:^|/)mcpconf(?:-feature)?(?:[:@].*)?$")
_TABLES = re.compile(r"(?:.*/)?ip6?tables(?:-(?:nft|legacy))?")
_FLUSH = ("-F", "--flush", "-X", "--delete-chain")
_OPEN_ENDED = (";", "&", "|", "\\")  # nothing may follow with `&&`
_QUOTES = re.compile(r"""[;&|()"'`]""")
_OF_HOST = re.compile(r"--net(?:work)?=host")


class Wish(NamedTuple):
    """What init is to do.  ``feature`` is the reference; ``protect``: see docs/devcontainer.md."""

    feature: str
    protect: bool = True


class Step(NamedTuple):
    """One change: an item put into the value at ``path``, or that value spelled anew."""

    path: tuple[str, ...]
    put: Inserted | None = None
    old: str = ""
    new: str = ""


class Edited(NamedTuple):
    """A text after all changes, each in a few words and as a Step; ``notes`` are for the user."""

    text: str
    changes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def root(self) -> Value:
        return jsonc.parse(self.text)


def edit(text: str, wish: Wish) -> Edited:
    """Give a devcontainer.json what it lacks.

    Raises:
        JsoncError: it cannot be read, or a property has a type that it must not have.

    """
    root = jsonc.parse(text)
    if root.kind != "object":
        raise JsoncError("a devcontainer.json is an object, { … }", root.start)
    _look_at_types(root)
    done = _initialize(_features(Edited(text), wish.feature))
    done = _compose(done) if root.get("dockerComposeFile") else _run_args(done)
    if not (wish.protect and root.get("dockerComposeFile")):  # see scaffold.compose_file
        done = _mounts(done, MOUNT, _INSIDE)
        if wish.protect:
            done = _mounts(done, GUARD, "/.devcontainer", "+.devcontainer, read-only")
    for name in ("postStartCommand", "postAttachCommand"):
        done = _chain(done, name)
    return _wait_for(done)


def is_ours(key: str | None) -> bool:
    """Whether a key of ``features`` is a reference to our Feature."""
    return key is not None and bool(_FEATURE.search(key))


def is_mount_at(element: object, target: str) -> bool:
    """Whether an element of ``mounts`` leads to a target (its end will do)."""
    if isinstance(element, dict):
        return str(element.get("target", "")).rstrip("/").endswith(target)
    pairs = [part.partition("=") for part in str(element).split(",")]
    found = [v for k, _, v in pairs if k.strip() in ("target", "dst", "destination")]
    return any(value.strip().rstrip("/").endswith(target) for value in found)


def _look_at_types(root: Value) -> None:
    """Refuse what no tool takes; before anything is changed, since that moves the places."""
    for name, kinds in _TYPES.items():
        there = root.get(name)
        if there is not None and there.kind not in kinds:
            raise JsoncError(f"{name} is to be of type {' or '.join(kinds)}", there.start)
    compose, wait = root.get("dockerComposeFile"), root.get("waitFor")
    if compose:
        named = compose.plain if compose.kind == "array" else [compose.scalar]
        if not named or not all(isinstance(file, str) and file for file in named):
            raise JsoncError("dockerComposeFile is to name one file or more", compose.start)
    if wait is not None and wait.scalar not in _STEPS:
        raise JsoncError(f"waitFor knows {', '.join(_STEPS)}", wait.start)


# --- the properties ---------------------------------------------------------------------------


def _features(done: Edited, reference: str) -> Edited:
    there = done.root.get("features")
    if there is None:
        return _added(done, "features", {reference: {}})
    if any(is_ours(item.key) for item in there.items or ()):
        return done
    return _put(done, "features", reference, {})


def _initialize(done: Edited) -> Edited:
    there = done.root.get("initializeCommand")
    ours = {"mcpconf": HOOK}
    if there is None:
        return _added(done, "initializeCommand", ours)
    if _CALL in str(there.plain):  # in whatever way
        return done
    if there.get("mcpconf"):
        note = f"initializeCommand: its `mcpconf` does not call `{_CALL}`, so nothing is brought"
        return done._replace(notes=(*done.notes, note))
    if there.kind != "object":
        both = {"project": Raw(jsonc.raw(done.text, there)), **ours}
        return _spelled(done, "initializeCommand", both, "wrapped")
    return _put(done, "initializeCommand", "mcpconf", HOOK)


def _run_args(done: Edited) -> Edited:
    there = done.root.get("runArgs")
    words = _words(there)
    joined = [f"{a}={b}" for a, b in pairwise(words)]
    if any(_OF_HOST.fullmatch(word) for word in (*words, *joined)):
        note = "runArgs: with the network of the host the firewall refuses; take that away"
        return done._replace(notes=(*done.notes, note))
    if any("host.docker.internal" in word for word in words):
        return done
    if there is None:
        return _added(done, "runArgs", [GATEWAY])
    return _put(done, "runArgs", None, GATEWAY, "+add-host")


def _compose(done: Edited) -> Edited:
    there = done.root.get("dockerComposeFile")
    assert there
    files = _words(there) if there.kind == "array" else [str(there.scalar)]
    if any(file.rpartition("/")[2] == COMPOSE for file in files):
        return done
    if there.kind == "array":
        return _put(done, "dockerComposeFile", None, COMPOSE)
    both = [Raw(jsonc.raw(done.text, there)), COMPOSE]
    return _spelled(done, "dockerComposeFile", both, "wrapped")


def _mounts(done: Edited, mount: str, target: str, said: str = "+mcpconf") -> Edited:
    there = done.root.get("mounts")
    if there is None:
        return _added(done, "mounts", [mount])
    elements = [item.value.plain for item in there.items or ()]
    found = next((e for e in elements if is_mount_at(e, target)), None)
    if found is None:
        return _put(done, "mounts", None, mount, said)
    if _is_read_only(found):
        return done
    note = f"mounts: what is at …{target} can be changed from inside: write it as `{mount}`"
    return done._replace(notes=(*done.notes, note))


def _is_read_only(element: object) -> bool:
    """Whether a mount is; one that is an object cannot be, since the tools drop the word there."""
    words = str(element).split(",") if isinstance(element, str) else []
    return not {"readonly", "readonly=true", "readonly=1", "ro", "ro=true"}.isdisjoint(words)


def _chain(done: Edited, name: str) -> Edited:
    """Apply again behind a command that flushes the rules of others."""
    there = done.root.get(name)
    if there is None or there.kind not in ("string", "array", "object"):
        return done
    if there.kind != "object":
        return _chained(done, (name,), there)
    for key in [str(item.key) for item in there.items or ()]:
        command = (done.root.get(name) or there).get(key)
        done = _chained(done, (name, key), command) if command else done
    return done


def _chained(done: Edited, path: tuple[str, ...], command: Value) -> Edited:
    """The same for one command; one that cannot have anything behind it is said."""
    words = _words(command) if command.kind == "array" else [str(command.scalar)]
    said = " ".join(words)
    if not _flushes(said) or "mcpconf-fw apply" in said:
        return done
    if command.kind == "array":
        spelled = jsonc.quoted(shlex.join(words) + CHAIN)
    elif "#" in said or "\n" in said or said.rstrip()[-1:] in _OPEN_ENDED:
        note = f"{'.'.join(path)} flushes the firewall: let it end with `{CHAIN.strip(' &')}`"
        return done._replace(notes=(*done.notes, note))
    else:
        spelled = f'{jsonc.raw(done.text, command)[:-1]}{CHAIN}"'
    return _respelled(done, path, spelled, "chained")


def _flushes(command: str) -> bool:
    """Whether a command may take the rules of others away."""
    if "init-firewall" in command or "tables-restore" in command:
        return True
    words = _QUOTES.sub(" ", command).split()
    tables = next((n for n, word in enumerate(words) if _TABLES.fullmatch(word)), len(words))
    return any(word in _FLUSH for word in words[tables:]) or ("nft", "flush") in pairwise(words)


def _wait_for(done: Edited) -> Edited:
    there = done.root.get("waitFor")
    if there is None:
        return _added(done, "waitFor", WAIT)
    earlier = str(there.scalar)
    if _STEPS.index(earlier) >= _STEPS.index(WAIT):
        return done
    return _spelled(done, "waitFor", WAIT, f"raised from {earlier}")


# --- how they are changed ---------------------------------------------------------------------


def _words(there: Value | None) -> list[str]:
    return [str(item.value.plain) for item in (there.items or () if there else ())]


def _added(done: Edited, name: str, value: object) -> Edited:
    text, put = jsonc.append(done.text, done.root, name, value)
    return _with(done, text, f"{name}: added", Step((name,), put))


def _put(done: Edited, name: str, key: str | None, value: object, said: str = "+mcpconf") -> Edited:
    box = done.root.get(name)
    assert box
    text, put = jsonc.append(done.text, box, key, value)
    path = (name,) if key is None else (name, key)
    return _with(done, text, f"{name}: {said}", Step(path, put))


def _spelled(done: Edited, name: str, value: object, said: str) -> Edited:
    there = done.root.get(name)
    assert there
    spelled = jsonc.replaced(done.text, done.root, there, value)
    return _respelled(done, (name,), spelled, said)


def _respelled(done: Edited, path: Sequence[str], spelled: str, said: str) -> Edited:
    there = done.root
    for name in path:
        below = there.get(name)
        assert below
        there = below
    old = jsonc.raw(done.text, there)
    text = jsonc.replace(done.text, there, spelled)
    return _with(done, text, f"{path[0]}: {said}", Step(tuple(path), None, old, spelled))


def _with(done: Edited, text: str, said: str, step: Step) -> Edited:
    changes = done.changes if said in done.changes else (*done.changes, said)
    return done._replace(text=text, changes=changes, steps=(*done.steps, step))
