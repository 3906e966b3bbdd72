"""A container of this machine (``local_engine``) with a sync in it, and what is found about it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mcpconf.bridge import bundle
from mcpconf.containers.running import Container, Place
from mcpconf.diagnosis.container_facts import Aim, InContainer, Wish, sync_of
from mcpconf.diagnosis.evidence import Judged
from mcpconf.diagnosis.judge.container import judge_container
from mcpconf.diagnosis.look import container as look_container
from mcpconf.origin import Origin, Source
from tests.containers.local_engine import LocalEngine

PROJECT = "/work/shop"
AT = Origin(Source("/home/ada/.claude.json"))
ECHO = """#!/usr/bin/env python3
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answers = {
        "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "echo", "version": "1"}},
        "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
    }
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answers[asked["method"]]}), flush=True)
"""


@cache
def the_bridge() -> bytes:
    return bundle.bundle()


class Box:
    """The container, and the host's directory that it mounts."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.engine = LocalEngine(folder / "engine")
        self.engine.env = {"MCPCONF_PROJECT": PROJECT}
        self.host = folder / "host"
        self.host.mkdir()
        self.number = 0
        self.sync({})
        self.engine.mount(self.host)
        managed = self.engine.at("/etc/claude-code") / "managed-mcp.json"
        managed.symlink_to("/etc/mcpconf/mcp.json")
        self.engine.put("/usr/local/bin/mcpconf-bridge", the_bridge())
        self.kind = "ddev"
        self.gateway: bool | None = None
        self.rows: tuple[Any, ...] = ()

    def sync(self, servers: Mapping[str, Any], **files: str) -> None:
        """Write a generation as a sync does."""
        self.number += 1
        name = f"gen-{self.number:016x}"
        folder = self.host / name
        folder.mkdir()
        texts = {"mcp.json": json.dumps({"mcpServers": servers}), **files}
        for file, text in texts.items():
            (folder / file).write_text(text)
            link = self.host / file
            if not link.is_symlink():
                link.symlink_to(f"current/{file}")
        (self.host / "next").symlink_to(name)
        os.replace(self.host / "next", self.host / "current")

    def way(self, port: int, host: str = "127.0.0.1", token: str = "t" * 40) -> str:
        """``bridge.json``."""
        where = {"host": host, "port": port}
        return json.dumps(
            {"version": 1, "project": "shop", "token": token, "gateway": where, "socket": None}
        )

    @property
    def container(self) -> Container:
        found = look_container.find(
            Place(self.host, (PROJECT,)), self.engine.environ, patience=30.0
        )
        assert isinstance(found, Container), found
        return found

    def look(self, *wishes: Wish, seconds: float = 4.0, **more: Any) -> InContainer:
        asked = look_container.Look(PROJECT, wishes, seconds=seconds, **more)
        seen = look_container.look(self.container, asked)
        assert isinstance(seen, InContainer), seen
        return seen

    def judged(self, wish: Wish, seen: InContainer) -> Judged:
        sync = sync_of(self.host)
        return judge_container(seen, Aim(wish, AT, sync, self.kind, self.gateway, self.rows))


def starts(command: str, *args: str, **env: str) -> Wish:
    """A server that starts in the container."""
    entry: dict[str, Any] = {"type": "stdio", "command": command, "args": list(args), "env": env}
    return Wish("echo", "echo", "container", entry)


def behind(name: str = "jira") -> Wish:
    """A server behind the gateway."""
    entry: dict[str, Any] = {"type": "stdio", "command": "mcpconf-bridge", "args": [name]}
    return Wish(name, name, "gateway", entry)


def codes(verdicts: Any) -> list[str]:
    return [verdict.finding.code for verdict in verdicts]
