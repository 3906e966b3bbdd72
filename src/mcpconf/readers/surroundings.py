"""What is read beside the client's configuration: policy, shipped whitelists, cached facts."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from mcpconf._resources import data
from mcpconf.contract import ContractError, load_routes
from mcpconf.origin import Source
from mcpconf.readers.around import Surroundings
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.known_facts import read_facts
from mcpconf.readers.places import Places
from mcpconf.readers.whitelist import Detect, Shipped, read_shipped
from mcpconf.readers.world import read

_LOOKED_AT = 256 * 1024  # bytes of a file in which a stack's mark is looked for


def look_around(
    configuration: Configuration, places: Places, state: Path | None = None
) -> Surroundings:
    """Gather what a compilation needs beside the configuration.

    ``state`` is the directory of the last sync's routes, if there was one.
    """
    roots = tuple(dict.fromkeys((configuration.cwd, configuration.key)))
    shipped = _shipped()
    policies = (read(os.path.join(root, "mcpconf.toml")) for root in roots)
    return Surroundings(
        policy_path=str(places.policy),
        user_policy=read(places.policy),
        project_policy=next((p for p in policies if p), None),
        facts=read_facts(configuration, places),
        shipped=shipped,
        accepted=_accepted(state) if state else {},
        stacks=dict(_stacks(shipped, roots)),
    )


def _accepted(state: Path) -> dict[str, str]:
    """The digests that earlier syncs accepted, by server; a broken file has none."""
    file = read(state / "routes.json")
    try:
        return dict(load_routes(file.text).accepted) if isinstance(file, Source) else {}
    except ContractError:
        return {}


def _shipped() -> Shipped:
    stacks = sorted(data("whitelist", "stacks").glob("*.toml"))
    return read_shipped(
        _source(data("whitelist", "base.toml")),
        _source(data("whitelist", "registries.toml")),
        tuple(map(_source, stacks)),
    )


def _stacks(shipped: Shipped, roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The stacks that the project shows, each with the evidence."""
    for stack in shipped.stacks.values():
        shown = (_detected(d, roots) for d in stack.detect)
        evidence = next(filter(None, shown), "")
        if evidence:
            yield stack.name, evidence


def _source(path: Path) -> Source:
    source = read(path)
    assert isinstance(source, Source), f"mcpconf is incomplete: {path} is missing"
    return source


def _detected(detect: Detect, roots: tuple[str, ...]) -> str:
    for root in roots:
        for name in _matching(root, detect.file):
            if not detect.contains:
                return f"{name} is there"
            if _holds(os.path.join(root, name), detect.contains):
                return f"{name} names {detect.contains.strip(chr(34))}"
    return ""


def _matching(root: str, pattern: str) -> list[str]:
    folder, _, last = pattern.rpartition("/")
    directory = os.path.join(root, folder)
    if "*" not in last and "?" not in last:
        return [pattern] if os.path.exists(os.path.join(root, pattern)) else []
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(folder, n) for n in fnmatch.filter(names, last)][:20]


def _holds(path: str, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return text.encode() in os.read(descriptor, _LOOKED_AT)
        finally:
            os.close(descriptor)
    except OSError:
        return False
