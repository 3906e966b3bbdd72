"""A container with the firewall in it, driven as a sync on the host and as its user drive it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.netns.lab.lab import Lab
from tests.netns.redteam.adapter import made
from tests.netns.redteam.hands import Hands

FOLDER = "/etc/mcpconf"


def row(host: str, port: int, form: str = "name") -> dict[str, Any]:
    return {"host": host, "port": port, "form": form, "servers": ["s"], "because": []}


def document(*rows: dict[str, Any], **other: Any) -> str:
    found = {"version": 1, "mode": "default", "grace": 300, "gateway": None, "rows": list(rows)}
    return json.dumps({**found, **other})


class Container:
    """A container with the program, and ``egress.json`` as a sync on the host writes it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hands = Hands(lab)
        self.generation = 0
        lab.write("/usr/local/sbin/mcpconf-fw", made(), 0o755)

    def sync(self, text: str) -> None:
        """A new generation, then one link flips."""
        self.generation += 1
        folder = f"{FOLDER}/gen-{self.generation}"
        self.lab.write(f"{folder}/egress.json", text)
        self.lab.force(
            f"cd {FOLDER}; ln -sfn gen-{self.generation} next; mv -T next current;"
            " [ -e egress.json ] || ln -s current/egress.json egress.json"
        )

    def fw(self, *words: str) -> str:
        """Run the program; returns what it says.  It has to be content."""
        done = self.lab.run(["mcpconf-fw", *words])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def reaches(self, name: str, port: int = 443) -> bool:
        kind = "http" if port == 80 else "tls"
        order = {"name": name, "port": port, "kind": kind, "v": 4, "timeout": 3.0, "tok": "t"}
        return bool(self.hands.ask("tcp", **order)["ok"])

    def reaches_address(self, address: str, port: int = 443) -> bool:
        order = {"dst": address, "port": port, "kind": "tls", "timeout": 1.0, "tok": "t"}
        return bool(self.hands.ask("tcp", **order)["ok"])

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in self.lab.force(f"pgrep -x {name}").split()]


def comes(true: Callable[[], bool], seconds: float) -> float:
    """Wait until something is so; returns after how many seconds."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds, "it did not come"
        time.sleep(0.05)
    return time.monotonic() - begin
