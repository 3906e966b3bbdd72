"""A home and a project with faults in them, its servers, its gateway; and who is asked about it.

`mcpconf` and `claude` run as programs, as a user runs them, with nothing of the surroundings.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.faults import far
from tests.parity.loopback import Model, listening
from tests.parity.oracle import STATUS, client_path

NEAR = Path(__file__).with_name("near.py")
PYTHON = os.path.realpath(sys.executable)
QUIET = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
WAITS = {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "30000"}
_PATIENCE = 60


@dataclass(frozen=True)
class Fault:
    """One injected fault.

    ``name`` is the server's, ``code`` the cause's.  ``entry`` makes the server's entry of the user's
    scope, ``arrange`` what else lies there before a sync, ``inject`` what happens after it.
    ``worded``: its message is the same in each run.  ``row`` is the row of the client's table that it belongs to (facts, section 5).  Faults with
    the same ``home`` share one.  ``heard``: the client is asked too.  ``also`` are codes that are mentioned, with ``two`` faults at once.
    """

    name: str
    what: str
    how: str
    code: str
    entry: Callable[[Scene], Any] | None = None
    arrange: Callable[[Scene, str], None] | None = None
    inject: Callable[[Scene, str], None] | None = None
    row: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    home: str = ""
    gateway: bool = True
    heard: bool = True
    also: tuple[str, ...] = ()
    worded: bool = True


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str
    seconds: float = 0.0


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


class Scene:
    """Faults that live in one home.  ``inside`` are words that enter a network of its own."""

    def __init__(
        self,
        faults: Iterable[Fault],
        *,
        inside: Callable[[Path], list[str]] = lambda _: [],
        listen: far.Listen = far.here,
        env: Mapping[str, str] | None = None,
        root: Path | None = None,
    ) -> None:
        self.faults = {fault.name: fault for fault in faults}
        self.inside, self.listen = inside, listen
        self.ending = contextlib.ExitStack()
        self.root = root or Path(tempfile.mkdtemp(prefix="mf-", dir="/tmp"))
        self.ending.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.home, self.project = self.root / "home", self.root / "project"
        for folder in (self.home, self.project):
            folder.mkdir(parents=True)
        self.port = free_port()
        self.env = {**(env or {}), **{k: v for f in self.faults.values() for k, v in f.env.items()}}
        self.settings = [f'gateway = "host.docker.internal:{self.port}"']
        self.toml()
        self.entries: dict[str, Any] = {}
        self.more: dict[str, Any] = {}  # of ~/.claude.json
        self.oauth: Any = None  # the server behind a login, if one has it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.ending.close()

    # --- what lies there ---

    def put(self, name: str, content: object) -> Path:
        """Write ``home/…`` or ``project/…``: a text, or a value that becomes JSON."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path.write_text(text)
        return path

    def merge(self, name: str, content: dict[str, Any]) -> Path:
        """Add to a file of JSON: objects key by key, lists at their end."""
        path = self.root / name
        known = json.loads(path.read_text()) if path.exists() else {}
        return self.put(name, _merged(known, content))

    def claude_json(self, **more: Any) -> None:
        """Write ~/.claude.json: the entries, and what a fault adds."""
        self.more |= more
        self.put("home/.claude.json", {"mcpServers": self.entries, **self.more})

    def toml(self, *lines: str) -> None:
        """Add to the user's mcpconf.toml."""
        self.settings += lines
        self.put("home/.config/mcpconf/mcpconf.toml", "\n".join([*self.settings, ""]))

    def projects(self, **more: Any) -> None:
        """The client's notes about the project: ``disabledMcpServers`` and the like."""
        self.claude_json(projects={str(self.project): more})

    def serve(
        self, script: far.Script | None = None, *, tls: Any = None, host: str = "", port: int = 0
    ) -> str:
        """Start a server; returns ``scheme://host:port``."""
        made = self.listen(host or "127.0.0.1", port)
        bound = self.ending.enter_context(far.serving(script or far.Script(), made, tls))
        scheme = "https" if tls is not None else "http"
        return f"{scheme}://{host or '127.0.0.1'}:{bound}"

    def bare(self, kind: str, *, host: str = "", port: int = 0) -> str:
        """Start a bare socket; returns ``host:port``."""
        made = self.listen(host or "127.0.0.1", port)
        return f"{host or '127.0.0.1'}:{self.ending.enter_context(far.bare(kind, made))}"

    def build(self) -> Self:
        """Everything that a client sees."""
        for fault in self.faults.values():
            entry = fault.entry(self) if fault.entry else None
            if entry is not None:
                self.entries[fault.name] = entry
        self.claude_json()
        for fault in self.faults.values():
            if fault.arrange:
                fault.arrange(self, fault.name)
        return self

    def compile(self) -> Self:
        """And a sync, a gateway, and what goes wrong after that."""
        self.sync()
        if any(fault.gateway for fault in self.faults.values()):
            self.start_gateway()
        for fault in self.faults.values():
            if fault.inject:
                fault.inject(self, fault.name)
        return self

    # --- mcpconf ---

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the sources under test
            "MCPCONF_ENGINE": "/bin/false",
            **self.env,
            **more,
        }

    def run(self, words: Iterable[str], seconds: float = _PATIENCE, **more: str) -> Said:
        """Run a program in the project; on a time-out its group is ended."""
        process = subprocess.Popen(
            [*self.inside(self.project), *words],
            cwd=self.project,
            env=self.environ(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        return Said(
            process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        )

    def mcpconf(self, *words: str, **more: str) -> Said:
        return self.run([PYTHON_OF_VENV, "-m", "mcpconf", *words], **more)

    def sync(self) -> Said:
        return self.mcpconf("sync")

    def start_gateway(self, **more: str) -> None:
        said = self.mcpconf("gateway", "start", **more)
        assert said.code == 0, said.err
        self.gateway_pid = int((said.out + said.err).partition("process ")[2].partition(",")[0])
        self.ending.callback(self.mcpconf, "gateway", "stop")

    @property
    def state(self) -> Path:
        """The host's directory of the project."""
        (found,) = (self.home / ".local/state/mcpconf/projects").iterdir()
        return found

    def explain(self, *names: str) -> list[dict[str, Any]]:
        """What ``explain --live`` says of one server, or of several by one call; its exit code."""
        word = names if len(names) == 1 else ()
        said = self.mcpconf("explain", *word, "--live", "--format", "json")
        assert said.code in (0, 1), said.out + said.err
        found = {s["name"]: s for s in json.loads(said.out)["servers"]}
        return [{**found[name], "exit": said.code, "err": said.err} for name in names]

    def plain(self, text: str) -> str:
        """A text without what differs from run to run."""
        for path, name in ((self.home, "~"), (self.project, "PROJECT"), (self.root, "ROOT")):
            text = text.replace(str(path), name)
        text = re.sub(
            r"\b(127\.0\.0\.1|localhost|::1\]|[\w.-]+\.example\.com):\d{4,5}\b", r"\1:PORT", text
        )
        text = re.sub(r"(:|\bport )\d{5}\b", r"\1PORT", text)
        text = re.sub(r"\b\d+(\.\d+)? (m?s|seconds)\b", r"N \2", text)
        return re.sub(r"\b(process|pid) \d+", r"\1 N", text)

    # --- Claude Code ---

    def client(self, words: list[str], seconds: float, **more: str) -> Said:
        return self.run(words, seconds, **more)

    def listed(self, version: str, path: Path | None = None) -> dict[str, str]:
        """What ``claude mcp list`` prints of each server."""
        client = str(path or client_path(version))
        said = self.client([client, "mcp", "list"], 120, **QUIET)
        head = said.out.partition("\nMCP config diagnostics")[0]
        found = {}
        for line in head.splitlines():
            name, colon, rest = line.partition(": ")
            at = max(rest.rfind(f" - {sign}") for sign in STATUS)
            if colon and at >= 0:
                found[name] = self.plain(rest[at + 3 :])
        return found

    def session(self, version: str, path: Path | None = None) -> dict[str, str]:
        """The statuses of the init event of a session."""
        client = str(path or client_path(version))
        with listening(Model) as model:
            more = {"ANTHROPIC_BASE_URL": model.base, "ANTHROPIC_API_KEY": "sk-ant-fake"}
            argv = [client, "-p", "hi", "--output-format", "stream-json", "--verbose"]
            said = self.client(argv, 120, **QUIET, **WAITS, **more)
        for line in said.out.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("type") == "system" and event.get("subtype") == "init":
                    return {s["name"]: s["status"] for s in event["mcp_servers"]}
        return {}  # it does not begin


PYTHON_OF_VENV = sys.executable


def _merged(known: Any, more: Any) -> Any:
    if isinstance(known, dict) and isinstance(more, dict):
        return {**known, **{k: _merged(known[k], v) if k in known else v for k, v in more.items()}}
    return [*known, *more] if isinstance(known, list) else more


def near(kind: str, **more: Any) -> dict[str, Any]:
    """The entry of a scripted server on stdin and stdout."""
    return {"command": PYTHON, "args": ["-S", "-E", str(NEAR), *([kind] if kind else [])], **more}


def http(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "http", "url": url, **more}


@contextlib.contextmanager
def built(faults: Iterable[Fault], **how: Any) -> Iterator[Scene]:
    with Scene(faults, **how) as scene:
        scene.build()
        yield scene
