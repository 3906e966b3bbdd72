"""A container engine whose containers are this machine with other files in some places.

``exec`` really runs what it is told: in a mount namespace of its own, where directories of the
test lie over ``/etc/mcpconf``, ``/home/agent`` and others, as the user that it is told, with the
environment of the container.  Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AGENT = 4242
PLACES = (
    "/etc/mcpconf",
    "/etc/claude-code",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/home",
    "/run/mcpconf-fw",
)

_PROGRAM = f"""#!{sys.executable} -IS
import json, os, subprocess, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "local-engine.json")) as file:
    told = json.load(file)
words = sys.argv[1:]
if words[0] == "ps":
    print(told["Id"])
elif words[0] == "inspect":
    print(json.dumps([told]))
elif words[0] == "exec":
    options, at = [], 1
    while words[at].startswith("-"):
        if words[at] == "-i":
            at += 1
            continue
        options.append((words[at], words[at + 1]))
        at += 2
    name, *command = words[at:]
    assert name == told["Name"].lstrip("/"), name
    user = next((v for k, v in options if k == "-u"), told["Config"]["User"]) or "0"
    users = {{"root": "0:0", "agent": "{AGENT}:{AGENT}"}}
    user = users.get(user, user)
    uid, _, gid = user.partition(":")
    env = {{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
    env["HOME"] = "/home/agent" if uid == "{AGENT}" else "/root" if uid == "0" else "/"
    env.update(dict(pair.split("=", 1) for pair in told["Config"]["Env"]))
    env.update(dict(v.split("=", 1) for k, v in options if k == "-e"))
    folder = next((v for k, v in options if k == "-w"), "/")
    mounts = "".join(
        f"mount --bind {{os.path.join(here, 'root', place.strip('/').replace('/', '-'))}} {{place}} && "
        for place in told["places"]
    )
    passwd = os.path.join(here, "passwd")
    inner = mounts + f'mount --bind {{passwd}} /etc/passwd && cd "$1" && shift && exec "$@"'
    run = ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", inner, "sh", folder]
    run += ["setpriv", "--reuid", uid, "--regid", gid or uid, "--clear-groups"]
    os.execvpe("unshare", [*run, "env", "-i", *(f"{{k}}={{v}}" for k, v in env.items()), *command], os.environ)
"""


class LocalEngine:
    """The engine and its one container; ``root`` has its files, by ``place``."""

    def __init__(self, folder: Path, name: str = "shop-claude") -> None:
        self.folder = folder
        self.path = str(folder / "local-engine")
        self.name = name
        self.env: dict[str, str] = {}
        self.user = ""
        self.labels: dict[str, str] = {}
        self.mounts: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for place in PLACES:
            self.at(place).mkdir(parents=True, exist_ok=True)
            self.at(place).chmod(0o755)
        (self.at("/home") / "agent").mkdir(mode=0o755)
        os.chown(self.at("/home") / "agent", AGENT, AGENT)
        lines = ["root:x:0:0:root:/root:/bin/sh", f"agent:x:{AGENT}:{AGENT}::/home/agent:/bin/sh"]
        lines += ["nobody:x:65534:65534:nobody:/nonexistent:/bin/false"]
        (folder / "passwd").write_text("\n".join(lines) + "\n")
        program = Path(self.path)
        program.write_text(_PROGRAM)
        program.chmod(0o755)

    def at(self, place: str) -> Path:
        """Where the files are that the container has at one of ``PLACES``."""
        return self.folder / "root" / place.strip("/").replace("/", "-")

    def put(self, path: str, text: str | bytes, mode: int = 0o755, owner: int = 0) -> Path:
        """A file of the container."""
        place = next(p for p in PLACES if path.startswith(f"{p}/"))
        file = self.at(place) / path[len(place) + 1 :]
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            file.unlink()
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
        os.chown(file, owner, owner)
        return file

    def mount(self, source: Path) -> None:
        """``source`` of the host at ``/etc/mcpconf``, as it is now: a copy would not follow."""
        self.mounts["/etc/mcpconf"] = str(source)
        at = self.at("/etc/mcpconf")
        shutil.rmtree(at)
        at.symlink_to(source)

    @property
    def told(self) -> dict[str, Any]:
        env = [f"{key}={value}" for key, value in self.env.items()]
        mounts = [{"Type": "bind", "Source": s, "Destination": d} for d, s in self.mounts.items()]
        places = []
        for place in PLACES:
            Path(place).mkdir(parents=True, exist_ok=True)
            places.append(place)
        return {
            "Id": "1" * 64,
            "Name": f"/{self.name}",
            "Mounts": mounts,
            "Config": {"User": self.user, "Env": env, "Labels": self.labels},
            "places": places,
        }

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment in which it is the engine, with all that was set meanwhile."""
        (self.folder / "local-engine.json").write_text(json.dumps(self.told))
        return {"MCPCONF_ENGINE": self.path, "PATH": os.environ["PATH"]}


def usable() -> bool:
    """Whether this machine lets a mount namespace be made."""
    if os.geteuid() or not shutil.which("setpriv"):
        return False
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return done.returncode == 0
