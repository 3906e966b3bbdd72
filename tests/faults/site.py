"""A project with a container: the laboratory's, with the real firewall, bridge and Python in it.

The host's programs run in the network of the laboratory's host; the engine is ``engine.py``, which
enters the container with nsenter.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from mcpconf.bridge import bundle
from tests.faults import certificates
from tests.faults.networks import Machine, listening_in
from tests.faults.scene import NEAR, PYTHON, Fault, Said, Scene
from tests.netns.lab.addresses import AGENT, GATEWAY4, RESOLVER4
from tests.netns.lab.container import FIREWALL
from tests.netns.lab.lab import Kind, Lab
from tests.netns.redteam.adapter import made

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAME = "matrix"


class Site(Scene):
    """Faults of one project whose container is the laboratory's."""

    def __init__(self, faults: Iterable[Fault], *top: str) -> None:
        root = Path(tempfile.mkdtemp(prefix="mf-", dir="/tmp"))
        root.chmod(0o755)
        with contextlib.ExitStack() as ending:
            self.lab = ending.enter_context(Lab(Kind(bind=(str(root),))))
            namespace = self.lab._network.pids["host"]
            enter = ["nsenter", f"--net=/proc/{namespace}/ns/net", "--"]
            self.machine = ending.enter_context(Machine(self.lab.state, enter, RESOLVER4))
            super().__init__(faults, inside=self.machine.inside, listen=self._listen, root=root)
            self.ending.push(ending.pop_all())
        self.env |= {**certificates.trusted(root), "MCPCONF_ENGINE": str(root / "engine")}
        self.settings += [f'gateway_listen = ["{GATEWAY4}"]', *top]
        self.toml()
        self.put("project/.devcontainer/devcontainer.json", {"image": "debian:12"})
        shutil.copy(NEAR, self.project / "near.py")
        self.engine: dict[str, Any] = {}
        self.ending.callback(self._forget)

    def _listen(self, host: str, port: int) -> Any:
        where = "internet" if host.startswith("45.") else "host"
        return listening_in(self.lab._network.pids[where], host, port)

    def _forget(self) -> None:
        self.lab.force("rm -rf /etc/mcpconf /etc/claude-code")

    def client(self, words: list[str], seconds: float, **more: str) -> Said:
        """Claude Code runs in the container, as the agent."""
        user = ["setpriv", "--reuid", str(AGENT), "--regid", str(AGENT), "--clear-groups"]
        environ = {"HOME": "/home/agent", "PATH": _PATH, **more}
        given = [f"{name}={text}" for name, text in environ.items()]
        shell = ["sh", "-c", 'cd "$0" && exec "$@"', str(self.project)]
        done = self.lab.run([*user, "env", "-i", *given, *shell, *words], timeout=seconds)
        return Said(done.returncode, done.stdout, done.stderr)

    # --- the container ---

    def compile(self) -> Self:
        """A sync, a gateway, and a container that is as it should be."""
        said = self.sync()
        assert said.code in (0, 1), said.err
        self.start_gateway()
        self._write_engine()
        self.furnish()
        return self

    @property
    def container(self) -> Path:
        return self.project / ".devcontainer/mcpconf"

    def furnish(self) -> None:
        """Mount and install everything, and put the firewall in force."""
        lab = self.lab
        with tempfile.TemporaryDirectory() as folder:
            bundle.write(Path(folder) / "bridge")
            lab.write(
                "/usr/local/bin/mcpconf-bridge", (Path(folder) / "bridge").read_bytes(), 0o755
            )
        lab.write("/usr/local/sbin/mcpconf-fw", made(), 0o755)
        lab.force(
            "cat >> /etc/ssl/certs/ca-certificates.crt", certificates.authority().cert_pem.bytes()
        )
        lab.force(
            f"mkdir -p /etc/mcpconf /etc/claude-code; mount --bind {self.container} /etc/mcpconf;"
            " ln -sfn /etc/mcpconf/mcp.json /etc/claude-code/managed-mcp.json"
        )
        done = lab.run(["mcpconf-fw", "apply"])
        assert done.returncode == 0, done.stderr

    def _write_engine(self) -> None:
        program = self.root / "engine"
        text = Path(__file__).with_name("engine.py").read_text()
        program.write_text(f"#!{PYTHON} -IS\n{text}")
        program.chmod(0o755)
        mounts = {str(self.container): "/etc/mcpconf", str(self.project): str(self.project)}
        labels = {"devcontainer.local_folder": str(self.project)}
        self.engine = {
            "pid": self.lab.container._init,
            "environ": {"PATH": _PATH, "HOME": "/home/agent"},
            "user": f"{AGENT}:{AGENT}",
            "users": {"agent": f"{AGENT}:{AGENT}"},
            "capabilities": FIREWALL,
            "containers": [
                {
                    "Id": "c" * 64,
                    "Name": f"/{NAME}",
                    "Mounts": [
                        {"Type": "bind", "Source": source, "Destination": place}
                        for source, place in mounts.items()
                    ],
                    "Config": {"User": "agent", "Env": [f"PATH={_PATH}"], "Labels": labels},
                    "State": {"Running": True},
                }
            ],
        }
        self.tell()

    def tell(self, **more: Any) -> None:
        """Change what the engine says."""
        (self.root / "engine.json").write_text(json.dumps({**self.engine, **more}))
