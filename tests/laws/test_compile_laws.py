"""Laws of the compiler as a whole: precedence, determinism, and that a sync is complete."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mcpconf
from mcpconf import write
from mcpconf.contract import load_egress, load_routes
from mcpconf.model import Remote, Resolved, Scope, Server, State, Stdio

from .worlds import (
    ANY_NAME,
    ENTRIES,
    NAMES,
    SETTINGS,
    VALID,
    artifacts,
    compiled,
    servers,
    surveyed,
)

HOUSES = st.fixed_dictionaries(
    {
        "user": servers(),
        "project": servers(),
        "local": servers(),
        "dynamic": st.lists(servers(), max_size=2),
        "settings": SETTINGS,
        "disabled": st.lists(NAMES, max_size=2),
    }
)
LOWER = {
    Scope.PROJECT: ("user",),
    Scope.LOCAL: ("user", "project"),
    Scope.DYNAMIC: ("user", "project", "local"),
}
SOURCE = Path(mcpconf.__file__).parents[1]
WORDS = ("state", "scope", "transport")


def deciding(files: dict[str, Any], name: str) -> Resolved | None:
    """The definition that decides: the last one of a name."""
    found = [r for r in surveyed(files).resolved if r.server.name == name]
    return found[-1] if found else None


def facts(resolved: Resolved | None) -> dict[str, Any] | None:
    """What a resolution comes to, as plain values."""
    if resolved is None:
        return None
    server = resolved.server
    assert isinstance(server, Server)
    return dict(zip(WORDS, (resolved.state, server.scope, plain(server.transport)), strict=True))


def plain(transport: Stdio | Remote) -> Any:
    if isinstance(transport, Remote):
        headers = {k: v.reveal() for k, v in transport.headers.items()}
        return transport.type, transport.url.reveal(), headers
    env = {k: v.reveal() for k, v in transport.env.items()}
    return transport.command.reveal(), [a.reveal() for a in transport.args], env


def is_in_force(resolved: Resolved) -> bool:
    """Whether it won, whatever policy makes of it; a denied project entry may just be pending."""
    denied = resolved.state is State.DENIED and resolved.server.scope is not Scope.PROJECT
    return denied or resolved.state in (State.ACTIVE, State.DISABLED)


@given(HOUSES, NAMES, st.data())
def test_a_lower_scope_never_changes_what_a_name_resolves_to(files, name, data):
    before = deciding(files, name)
    if before is None or before.server.scope not in LOWER or not is_in_force(before):
        return
    lower = data.draw(st.sampled_from(LOWER[before.server.scope]), "lower scope")
    without = {n: entry for n, entry in files[lower].items() if n != name}
    other = data.draw(st.one_of(st.none(), ENTRIES), "entry")
    changed = files | {lower: without if other is None else without | {name: other}}
    assert facts(deciding(changed, name)) == facts(before)


@given(HOUSES, NAMES, ENTRIES, st.sampled_from(["user", "project", "local"]))
def test_a_name_never_changes_what_another_resolves_to(files, name, entry, scope):
    other = files | {scope: {**files[scope], name: entry}}
    for name2 in {n for s in ("user", "project", "local") for n in files[s]} - {name}:
        before, after = deciding(files, name2), deciding(other, name2)
        assert (before and before.state) == (after and after.state)
        if before and isinstance(before.server, Server):
            assert facts(before) == facts(after)


@given(HOUSES)
def test_the_same_input_gives_the_same_bytes(files):
    assert artifacts(files) == artifacts(json.loads(json.dumps(files)))


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_hash_seed_of_the_process_means_nothing(seed):
    """Sets and dicts of strings have another order in every process."""
    shared = {name: {"command": "npx", "args": ["-y", "pkg"]} for name in "abcdefgh"}
    code = "import sys, json; from tests.laws.worlds import artifacts; print(json.dumps(artifacts(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"user": shared}),
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(SOURCE), "PATH": os.defpath},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == artifacts({"user": shared})


@given(servers(VALID), st.randoms(use_true_random=False))
def test_the_order_of_servers_means_nothing_to_the_container(user, randomness: random.Random):
    shuffled = list(user.items())
    randomness.shuffle(shuffled)
    one, other = artifacts({"user": user}), artifacts({"user": dict(shuffled)})
    for name in ("mcp.json", "egress.json"):
        assert one[name] == other[name]


@given(servers(VALID))
def test_only_what_a_server_or_a_whitelist_needs_is_open(user):
    whole = compiled({"user": user})
    entries = json.loads(artifacts({"user": user})["mcp.json"])["mcpServers"]
    ids = {p.classified.server.id for p in whole.plan.servers if p.entry is not None}
    for row in whole.plan.egress.rows:
        assert row.because
        assert ids.issuperset(row.servers)
        assert bool(row.servers) == any(b.layer in ("server", "registry") for b in row.because)
    needed = {(n.host, n.port) for p in whole.plan.servers for n in p.needs}
    opened = {(r.host, r.port) for r in whole.plan.egress.rows}
    assert needed <= opened
    assert set(entries) == {p.classified.server.name for p in whole.plan.servers if p.entry}


@given(st.dictionaries(ANY_NAME, VALID, max_size=4))
@settings(max_examples=40)
def test_after_a_sync_a_plan_has_nothing_to_do(user):
    emitted = compiled({"user": user}).artifacts
    with tempfile.TemporaryDirectory() as folder:
        target = write.Target(Path(folder, "container"), Path(folder, "host"))
        assert write.write(write.changes(emitted, target), target) == ()
        assert {c.kind for c in write.changes(emitted, target)} == {write.Kind.UNCHANGED}
        for artifact in emitted:
            assert (target.of(artifact.reader) / artifact.name).read_text() == artifact.text


@given(HOUSES)
def test_what_is_emitted_can_be_read_back(files):
    whole = compiled(files)
    texts = {a.name: a.text for a in whole.artifacts}
    assert load_egress(texts["egress.json"]) == whole.plan.egress
    assert load_routes(texts["routes.json"]) == whole.plan.routes
    assert json.loads(texts["mcp.json"])["mcpServers"].keys() == {
        p.classified.server.name for p in whole.plan.servers if p.entry
    }
