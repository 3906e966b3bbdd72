"""mcpconf-fw as a candidate: the red team's whitelist and policy become an ``egress.json``."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.netns.lab.container import ROOT
from tests.netns.lab.lab import Lab
from tests.netns.redteam.candidate import POLICY, Candidate, Commands, Policy

Row = dict[str, Any]
PROGRAM, EGRESS = "/usr/local/bin/mcpconf-fw", "/run/fw/egress.json"
COMMANDS = Commands(
    apply=f"mcpconf-fw apply --policy {EGRESS}",
    reload=f"mcpconf-fw refresh --policy {EGRESS}",
    explain="mcpconf-fw blocked {host}",
    clean="mcpconf-fw stop --open; rm -rf /run/mcpconf-fw",
    lazy=True,
)
_HOST_AND_PORT = re.compile(r"([^/\s:]+):(\d{1,5})")
_GATEWAY = "host.docker.internal"
_WEB_PORTS = (80, 443)


class Ours(Candidate):
    """The program of this project, in a mode."""

    def __init__(self, mode: str, program: bytes) -> None:
        super().__init__(f"mcpconf-fw {mode}", COMMANDS, strict=mode == "strict")
        self.mode = mode
        self._program = program

    def install(self, lab: Lab) -> None:
        lab.write(PROGRAM, self._program, 0o755)

    def write(self, lab: Lab, entries: list[str], policy: Policy | None = None) -> None:
        self.write_rows(lab, self.document(entries, policy or POLICY))

    def document(self, entries: list[str], policy: Policy) -> dict[str, Any]:
        return egress(entries, policy, self.mode)

    def write_rows(self, lab: Lab, document: dict[str, Any]) -> None:
        """Write an ``egress.json`` of any content."""
        lab.write(EGRESS, json.dumps(document))


@cache
def made() -> bytes:
    """The one file, from the sources as they are."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "mcpconf-fw"
        words = [sys.executable, "-m", "mcpconf.firewall.bundle", str(program)]
        subprocess.run(words, cwd=ROOT, check=True)
        return program.read_bytes()


def egress(entries: list[str], policy: Policy, mode: str) -> dict[str, Any]:
    """The document for whitelist entries; what is odd about one is left to the firewall."""
    lines = [line for entry in entries for line in entry.split("\n")]
    rows = [row for line in lines for row in rows_of(line)]
    rows += [row for peer in policy["hosts"] for row in _peer_rows(peer)]
    gateway = [peer["port"] for peer in policy["hosts"] if peer["name"] == _GATEWAY]
    return {
        "version": 1,
        "mode": mode,
        "grace": policy["grace_s"],
        "gateway": {"host": _GATEWAY, "port": gateway[0]} if gateway else None,
        "rows": rows,
    }


def row(host: object, port: object, form: object) -> Row:
    """A row, of whatever its fields are."""
    return {"host": host, "port": port, "form": form, "servers": [], "because": []}


def rows_of(line: str) -> list[Row]:
    """The rows of one line: two where it names no port."""
    if with_port := _HOST_AND_PORT.fullmatch(line):
        host = with_port[1]
        return [row(host, int(with_port[2]), form_of(host))]
    return [row(line, port, form_of(line)) for port in _WEB_PORTS]


def form_of(host: str) -> str:
    """A crude guess."""
    if host.startswith("*."):
        return "wildcard"
    if "/" in host and _is(ipaddress.ip_network, host):
        return "network"
    return "address" if _is(ipaddress.ip_address, host) else "name"


def _is(kind: Any, host: str) -> bool:
    try:
        kind(host)
    except ValueError:
        return False
    return True


def _peer_rows(peer: dict[str, Any]) -> list[Row]:
    rows = [row(peer["addr"], peer["port"], "peer")]
    if peer["name"] != _GATEWAY:
        rows.append(row(peer["name"], peer["port"], "peer"))
    return rows
