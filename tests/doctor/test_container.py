"""``doctor`` with a container that runs: its clock, client, certificates and firewall."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.containers.local_engine import LocalEngine, usable
from tests.diagnosis.box import the_bridge

pytestmark = pytest.mark.skipif(not usable(), reason="needs the right to make a mount namespace")

STATUS: dict[str, Any] = {
    "version": 1,
    "in_force": True,
    "mode": "default",
    "generation": "",
    "findings": [{"name": "IPv4", "result": "ok", "text": "closed but for the rows"}],
    "rows": [],
    "notices": [],
}


def says(status: dict[str, Any]) -> str:
    return f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(status)}\nEOF\n"


@pytest.fixture
def shop(house: Callable[..., Any], tmp_path: Path) -> tuple[Any, LocalEngine]:
    """A dev container's project, synced, with its container."""
    here = house({"home/.claude.json": {}, "project/.devcontainer/devcontainer.json": "{}"})
    (here.home / ".claude.json").chmod(0o600)
    assert here.run("sync").code == 0
    engine = LocalEngine(tmp_path / "engine")
    container = here.project / ".devcontainer/mcpconf"
    engine.mount(container)
    engine.env = {"MCPCONF_PROJECT": str(here.project)}
    engine.put("/usr/local/bin/mcpconf-bridge", the_bridge())
    engine.put("/usr/local/bin/claude", "#!/bin/sh\necho '2.1.328 (Claude Code)'\n")
    generation = os.readlink(container / "current")
    engine.put("/usr/local/sbin/mcpconf-fw", says({**STATUS, "generation": generation}))
    return here, engine


def checks(shop: tuple[Any, LocalEngine]) -> dict[str, dict[str, Any]]:
    here, engine = shop
    document = here.run("doctor", "--format", "json", env=dict(engine.environ)).json
    return {check["name"]: check for check in document["checks"]}


def test_a_container_that_is_in_order_gets_no_alarm(shop: tuple[Any, LocalEngine]) -> None:
    here, engine = shop
    said = here.run("doctor", env=dict(engine.environ))
    assert said.code == 0, said.out + said.err
    assert {line.split()[0] for line in said.out.splitlines()} == {"ok"}, said.out
    found = checks(shop)
    assert found["container"]["text"] == "`shop-claude`, by local-engine"
    assert found["firewall"]["text"] == "in force, default mode, 0 destinations open"
    assert found["its Claude Code"]["text"] == "2.1.328, which mcpconf knows"
    assert found["its clock"]["text"] == "within 1 s of this machine's"


def test_what_is_not_in_order_there(shop: tuple[Any, LocalEngine], tmp_path: Path) -> None:
    _, engine = shop
    engine.put("/usr/local/bin/claude", "#!/bin/sh\necho '2.1.197 (Claude Code)'\n")
    engine.put("/usr/local/bin/date", "#!/bin/sh\necho 1600000000\n")
    engine.put("/usr/local/sbin/mcpconf-fw", says({**STATUS, "generation": "gen-older"}))
    engine.env["NODE_EXTRA_CA_CERTS"] = "/home/agent/ca.pem"
    found = checks(shop)
    assert "in the container" not in found, found["in the container"]
    codes = {name: [f["code"] for f in check["findings"]] for name, check in found.items()}
    assert codes["its Claude Code"] == ["MC131"]
    assert codes["its clock"] == ["MC134"]
    assert codes["firewall"] == ["MC231"]
    assert codes["its certificates"] == ["MC135"]
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    engine.put("/home/agent/ca.pem", (tmp_path / "ca.pem").read_text(), 0o644)
    assert checks(shop)["its certificates"]["state"] == "ok"


def test_a_container_without_a_firewall(shop: tuple[Any, LocalEngine]) -> None:
    (shop[1].at("/usr/local/sbin") / "mcpconf-fw").unlink()
    assert [f["code"] for f in checks(shop)["firewall"]["findings"]] == ["MC233"]


def test_a_container_where_programs_hang(shop: tuple[Any, LocalEngine]) -> None:
    _, engine = shop
    engine.put("/usr/local/bin/claude", "#!/bin/sh\nexec sleep 60\n")
    found = checks(shop)
    assert "in the container" not in found, found["in the container"]
    assert found["its Claude Code"]["state"] == "unknown"
    assert found["its clock"]["state"] == "ok"
    engine.put("/usr/local/bin/date", "#!/bin/sh\nexec sleep 60\n")
    found = checks(shop)
    assert "its clock" not in found
    assert found["installation"]["state"] == "ok"


def test_two_containers_are_not_guessed_between(
    shop: tuple[Any, LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcpconf.containers.running import Container  # noqa: PLC0415
    from mcpconf.diagnosis.look import container as look_container  # noqa: PLC0415

    two = [Container("docker", "one"), Container("docker", "two")]
    monkeypatch.setattr(look_container.running, "running", lambda *_: two)
    found = checks(shop)
    assert found["container"]["state"] == "unknown"
    assert "--container (`one`, `two`)" in found["container"]["text"]
