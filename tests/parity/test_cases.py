"""The recorded cases: mcpconf against them, and they against the real client."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from . import compare, oracle, subject, world

CASES = json.loads(Path(__file__).with_name("cases.json").read_text("utf-8"))["cases"]
MODES = {"interactive": "list", "session": "session"}
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
every_version = pytest.mark.parametrize("version", oracle.VERSIONS)
NEWEST = oracle.VERSIONS[0]
# The newer client is asked for a part of the cases in every run, the older one for fewer.
CONFIRMED = [
    pytest.param(
        case,
        version,
        id=f"{case['id']}-{version}",
        marks=pytest.mark.sample(8 if version == NEWEST else 24),
    )
    for case in CASES
    for version in oracle.VERSIONS
]


def needs_namespaces(case: dict[str, Any]) -> None:
    """Managed files need a mount namespace; in CI that must not be skipped silently."""
    if not case.get("managed") or world.namespaces_work():
        return
    if "CI" in os.environ:
        pytest.fail("CI must run the cases with managed files, and this machine cannot")
    pytest.skip("needs the right to make a mount namespace")


def needs_client(version: str) -> Path:
    """The client of that version, or a skip that says how to get it."""
    if client := oracle.client_path(version):
        return client
    pytest.skip(f"run `python -m tests.parity.install_clients` to install Claude Code {version}")


@every_version
@every_case
def test_mcpconf_agrees_with_the_recorded_client(
    case: dict[str, Any], version: str, tmp_path: Path
) -> None:
    needs_namespaces(case)
    seen = case["expected"][version]
    found = []
    for mode, key in MODES.items():
        if key in seen:
            built = world.build(case, tmp_path / mode)
            report = subject.ask(built, version, mode)
            found += [
                f"{mode}: {d}" for d in compare.differences(built, version, mode, seen, report)
            ]
    assert found == []


@pytest.mark.client
@pytest.mark.parametrize(("case", "version"), CONFIRMED)
def test_the_real_client_still_does_what_is_recorded(
    case: dict[str, Any], version: str, tmp_path: Path
) -> None:
    needs_namespaces(case)
    client = needs_client(version)
    seen = case["expected"][version]
    with oracle.stage() as (addresses, servers):
        # one world for both: a list leaves caches behind which the session then reads
        built = world.build(case, tmp_path, addresses)
        if "list" in seen:
            told = oracle.list_servers(built, client, servers)
            assert told["list"] == _rows(seen["list"])
            assert told["file_errors"] == _placed(built, seen.get("file_errors", []))
            assert _kinds(told["warnings"]) == _kinds(_placed(built, seen.get("warnings", [])))
            assert told["conflicts"] == seen.get("conflicts", [])
            for name, answer in seen.get("get", {}).items():
                assert oracle.get_server(built, client, name) == answer, name
        if "session" in seen:
            told = oracle.session(built, client, servers)
            assert told["session"] == _rows(seen["session"]), told["err"]
            assert told["rc"] == seen.get("session_rc", 0), told["err"]


def _rows(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The recorded rows without the client's explanation of a failure.

    A tag cannot say which of its colons ends the scope, so such a name has no `used`.
    """
    unclear = {name: {"used", "detail"} for name in rows if ":" in name}
    return {
        name: {k: v for k, v in row.items() if k not in unclear.get(name, {"detail"})}
        for name, row in rows.items()
    }


def _placed(built: world.World, items: list[list[str]]) -> list[list[str]]:
    return sorted([built.fill(text or "") for text in item] for item in items)


def _kinds(warnings: list[list[str]]) -> list[list[str]]:
    """File, name and kind; the sentence may change from version to version."""
    return sorted(w[:3] for w in warnings)
