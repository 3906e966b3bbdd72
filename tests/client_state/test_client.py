"""The real client: poisoned it says needs-auth and asks nobody; after ``clean`` it connects."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.parity.loopback import Remote, listening
from tests.parity.oracle import VERSIONS, client_path, session
from tests.parity.world import BASE_ENV, World

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.fixture(params=VERSIONS)
def client(request: pytest.FixtureRequest) -> Path:
    path = client_path(request.param)
    if path is None and "CI" not in os.environ:
        pytest.skip("make parity installs the clients")
    assert path is not None
    return path


def poison(house: Any, url: str) -> None:
    """What the client remembers after `cached` asked for a login and one to `half` was left."""
    now = int(time.time() * 1000)
    house.put("home/.claude/mcp-needs-auth-cache.json", {"cached": {"timestamp": now}})
    told = {"type": "http", "url": f"{url}/json/half", "headers": {}}
    key = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()[:16]
    login = {
        "serverName": "half",
        "serverUrl": told["url"],
        "accessToken": "",
        "discoveryState": {
            "authorizationServerUrl": url,
            "oauthMetadataFound": True,
            "tokenlessRejectedAt": now - 3 * 24 * 3600 * 1000,
        },
    }
    path = house.put("home/.claude/.credentials.json", {"mcpOAuth": {f"half|{key}": login}})
    path.chmod(0o600)


def test_a_poisoned_client_connects_after_clean(client: Path, house: Callable[..., Any]) -> None:
    with listening(Remote) as remote:
        urls = {n: {"type": "http", "url": f"{remote.base}/json/{n}"} for n in ("cached", "half")}
        built = house({"home/.claude.json": {"mcpServers": urls, "hasCompletedOnboarding": True}})
        env = {**BASE_ENV, "HOME": str(built.home), "PATH": os.environ["PATH"]}
        world = World(built.root, built.home, built.project, built.project, env)

        def statuses() -> dict[str, str]:
            found = session(world, client, [remote])
            assert found["session"], found["err"]
            return {n: row["status"] for n, row in found["session"].items()}

        poison(built, remote.base)
        assert statuses() == {"cached": "needs-auth", "half": "needs-auth"}
        poison(built, remote.base)  # a session may have renewed what it remembers
        said = built.run("clean", "--format", "json")
        assert said.code == 0
        assert [r["server"] for r in said.json["removed"]] == ["cached", "half"]
        assert statuses() == {"cached": "connected", "half": "connected"}
