"""What is tested: commands that run as root in the container.

They find the whitelist (one entry a line) in ``$RT_WHITELIST`` and the site's policy in
``$RT_POLICY``: ``hosts`` (``name``, ``addr``, ``port``: what of the host and of other containers is
open) and ``grace_s`` (so long an address may stay open that its name no longer has).  Exit 0 means
applied; with anything else the state must be closed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any, NamedTuple

from tests.netns.lab.addresses import GATEWAY4, GATEWAY6, WEB4, WEB6
from tests.netns.lab.container import FIREWALL
from tests.netns.lab.lab import Lab

Policy = dict[str, Any]
WHITELIST, POLICY_FILE = "/run/fw/whitelist.txt", "/run/fw/policy.json"
NAMES = (
    "allowed.test",
    "allowed2.test",
    "alias.test",
    "good.cdn.test",
    "multi.test",
    "rot.test",
    "spin.test",
)
POLICY: Policy = {
    "hosts": [
        {"name": "host.docker.internal", "addr": GATEWAY4, "port": 9003},
        {"name": "host.docker.internal", "addr": GATEWAY6, "port": 9003},
        {"name": "web", "addr": WEB4, "port": 80},
        {"name": "web", "addr": WEB6, "port": 80},
    ],
    "grace_s": 5,
}
_TOLD = 4000  # characters


class Done(NamedTuple):
    """How a command ended: its code (-9 after its time was over), its seconds, what it said."""

    code: int
    seconds: float
    said: str

    @property
    def tail(self) -> str:
        return self.said[-160:] if self.code else ""


class Commands(NamedTuple):
    """A firewall's commands; ``{host}`` stands in ``explain``, which names what was blocked.

    ``reload`` is ``apply`` if empty.  ``clean`` forgets all state besides the rules.  ``lazy``:
    names are resolved when they are used, so no message about them is due when it is applied.
    """

    apply: str
    reload: str = ""
    explain: str = ""
    clean: str = ""
    lazy: bool = False


class Candidate:
    """Any firewall that is driven by commands; ``strict`` if it looks into connections."""

    def __init__(self, name: str, commands: Commands, *, strict: bool = False) -> None:
        self.name = name
        self.commands = commands
        self.strict = strict
        self.env = {"RT_WHITELIST": WHITELIST, "RT_POLICY": POLICY_FILE}

    def install(self, lab: Lab) -> None:
        """Put the program into a new container."""

    def write(self, lab: Lab, entries: list[str], policy: Policy | None = None) -> None:
        """Write the whitelist and the policy; an entry of two lines is two entries."""
        lab.write(WHITELIST, "\n".join(entries) + "\n")
        lab.write(POLICY_FILE, json.dumps(policy or POLICY))

    def apply(self, lab: Lab, timeout: float = 180, capabilities: list[str] | None = None) -> Done:
        return self._run(lab, self.commands.apply, timeout, capabilities or FIREWALL)

    def reload(self, lab: Lab, timeout: float = 30) -> Done:
        return self._run(lab, self._reload, timeout, FIREWALL)

    def start(self, lab: Lab, *, reload: bool = False) -> subprocess.Popen[bytes]:
        """Start a command without waiting for it."""
        command = self._reload if reload else self.commands.apply
        quiet = subprocess.DEVNULL
        return lab.start(command, env=self.env, stdin=quiet, stdout=quiet, stderr=quiet)

    def clean(self, lab: Lab) -> None:
        if self.commands.clean:
            lab.force(self.commands.clean)

    def explain(self, lab: Lab, host: str) -> str:
        """What it says about attempts to reach a host."""
        return lab.run(self.commands.explain.format(host=host), env=self.env).stdout

    @property
    def _reload(self) -> str:
        return self.commands.reload or self.commands.apply

    def _run(self, lab: Lab, command: str, timeout: float, capabilities: list[str]) -> Done:
        with tempfile.TemporaryFile() as said:  # a daemon may keep it open
            begin = time.time()
            process = lab.start(
                command,
                capabilities,
                self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            # Popen.wait(timeout) polls in steps of 50 ms; this does not.
            killer = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
            killer.start()
            code = process.wait()
            killer.cancel()
            seconds = round(time.time() - begin, 3)
            said.seek(0)
            return Done(code, seconds, said.read().decode(errors="replace")[-_TOLD:])
