"""What every test stands on: no real home, no network, and a house to live in.

A *house* is a home and a project in a temporary directory.  Its commands run in this process,
through the same door as the installed program, so an exit code and a message are what a user
gets.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from zlib import crc32

import pytest
from hypothesis import settings

from mcpconf.__main__ import run as main

NO_HOME = "/you-forgot-to-pass-a-home"
LOOPBACK = ("127.", "::1", "localhost")

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("dev", deadline=None, max_examples=100)
settings.load_profile("ci" if "CI" in os.environ else "dev")


_LONG = (
    "tests/packaging/",
    "tests/parity/",
    "tests/credentials/",
    "tests/netns/test_r",
    "tests/engines/",
    "tests/faults/",
)
_ENGINES = (  # what of them is in every run; `make engines` runs them all
    "docker-26",
    "test_it_is_closed_before_the_users_first_command_and_after_a_restart",
    "test_a_server_behind_the_hosts_gateway_answers_inside",
    "test_the_features_own_tests_pass",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files begin first, so that no core waits for the last one; most engines are slow.

    Of what has many cases of one kind a sample is run, always the same; ``make thorough`` runs all.
    """
    if os.environ.get("MCPCONF_TESTS") != "all":
        left_out = [item for item in items if not _in_sample(item)]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if item.get_closest_marker("engine") and not any(part in item.nodeid for part in _ENGINES):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


def _in_sample(item: pytest.Item) -> bool:
    """Whether a test belongs to the sample: one of the ``n`` of its ``sample(n)`` mark, 0: none."""
    mark = item.get_closest_marker("sample")
    if mark is None:
        return True
    (of,) = mark.args
    return bool(of) and crc32(item.nodeid.encode()) % of == 0


def _is_near(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    return host is None or host == "" or str(host).startswith(LOOPBACK)


def _getaddrinfo(host: object, *args: Any, **kwargs: Any) -> Any:
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert _is_near(host), f"a test asked for the address of {host!a}"
    return _real_getaddrinfo(host, *args, **kwargs)


_real_getaddrinfo = socket.getaddrinfo


def _guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        near = self.family == socket.AF_UNIX or _is_near(address[0])
        assert near, f"a test connects to {address!a}"
        return real(self, address)

    return connect


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the real home, the session's variables and the network."""
    monkeypatch.setenv("HOME", NO_HOME)
    for name in list(os.environ):
        if name.startswith(("XDG_", "CLAUDE_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(socket, "getaddrinfo", _getaddrinfo)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        """The codes of all findings of a ``--format json``, in order."""
        return [f["code"] for f in self.json["findings"]]


@dataclass(frozen=True)
class House:
    """A home and a project; ``<HOME>`` and ``<PROJECT>`` in a text stand for their paths."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def state(self) -> Path:
        """The host's directory of the project, where routes.json is."""
        (found,) = (self.home / ".local/state/mcpconf/projects").iterdir()
        return found

    @property
    def container(self) -> Path:
        """The directory that the container would mount."""
        return self.state / "container"

    def put(self, name: str, content: object) -> Path:
        """Write ``home/…`` or ``project/…``: text, bytes, or a value that becomes JSON."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = json.dumps(content, indent=2)
        path.write_bytes(content if isinstance(content, bytes) else self.filled(content).encode())
        return path

    def filled(self, text: str) -> str:
        return text.replace("<HOME>", str(self.home)).replace("<PROJECT>", str(self.project))

    def normalised(self, text: str) -> str:
        """Put the placeholders back, also where a path is part of a JSON pointer."""
        for path, name in ((self.home, "HOME"), (self.project, "PROJECT"), (self.root, "ROOT")):
            for spelled in (str(path), str(path).replace("/", "~1")):
                text = text.replace(spelled, f"<{name}>")
        return text

    def run(self, *words: str, env: Mapping[str, str] | None = None, out: Any = None) -> Said:
        """Run one command for this house; ``out`` takes the place of stdout."""
        where = ["--home", str(self.home), "--project", str(self.project)]
        return run(words[0], *where, *words[1:], env=env, out=out)

    def list(self, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Every server that ``list`` shows, the deciding definition of a name."""
        said = self.run("list", "--format", "json", *words, env=env)
        return {server["name"]: server for server in said.json["servers"]}

    def mcp_json(self) -> dict[str, Any]:
        """The container's servers after a sync."""
        return json.loads((self.container / "mcp.json").read_text())["mcpServers"]


def run(*words: str, env: Mapping[str, str] | None = None, out: Any = None) -> Said:
    """Run the program in this process."""
    out = io.StringIO() if out is None else out
    err = io.StringIO()
    surroundings = {"PATH": os.environ.get("PATH", os.defpath), "HOME": NO_HOME, **(env or {})}
    with (
        mock.patch.dict(os.environ, surroundings, clear=True),
        mock.patch.object(sys, "argv", ["mcpconf", *words]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = int(main())
    return Said(code, getattr(out, "getvalue", str)(), err.getvalue())


def build(root: Path, files: Mapping[str, object]) -> House:
    """Build a house: ``files`` maps ``home/…`` and ``project/…`` to texts, bytes or values."""
    house = House(root)
    house.home.mkdir(parents=True)
    house.project.mkdir()
    for name, content in files.items():
        house.put(name, content)
    return house


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., House]:
    """Build the test's house from a dict of files."""
    return lambda files=None: build(tmp_path, files or {})


@pytest.fixture(scope="session")
def builder() -> Callable[[Path, Mapping[str, object]], House]:
    """The same for tests that need more than one."""
    return build


@pytest.fixture(scope="session")
def program() -> Callable[..., Said]:
    """Run the program without a house."""
    return run


@pytest.fixture
def opened_for_write() -> Iterator[list[str]]:
    """Every name that is opened for writing while the test runs."""
    _watch()
    _WRITTEN.clear()
    _WATCHING.append(True)
    yield _WRITTEN
    _WATCHING.clear()


_WRITTEN: list[str] = []
_WATCHING: list[bool] = []
_HOOKED: list[bool] = []


def _watch() -> None:
    """Install the audit hook; it cannot be taken out again, so it is installed once."""
    if _HOOKED:
        return
    _HOOKED.append(True)
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if _WATCHING and event == "open" and isinstance(args[2], int) and args[2] & writing:
            _WRITTEN.append(os.fsdecode(args[0]) if isinstance(args[0], str | bytes) else "?")

    sys.addaudithook(hook)
