"""What is found in a container that is really looked into: nothing here is made up but its files."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mcpconf.containers.agent import agent_of
from mcpconf.containers.inspection import inspect
from mcpconf.containers.running import HERE
from mcpconf.diagnosis.container_facts import Aim, InContainer, Wish
from mcpconf.diagnosis.container_steps import steps
from mcpconf.diagnosis.look import container as look_container
from tests import clock
from tests.containers.local_engine import AGENT, usable
from tests.diagnosis.box import AT, ECHO, PROJECT, Box, behind, codes, starts

pytestmark = pytest.mark.skipif(not usable(), reason="needs root, for mount namespaces")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    for name in ("_SHELL", "_ENGINE", "_FACTS"):  # a machine with other tests on it is slow
        monkeypatch.setattr(look_container, name, 30.0)
    for folder in (tmp_path, *tmp_path.parents[:3]):  # the agent has to get there
        folder.chmod(folder.stat().st_mode | 0o055)
    box = Box(tmp_path)
    box.engine.put("/usr/local/bin/echo-server", ECHO)
    return box


def found(box: Box, wish: Wish, **more: Any) -> tuple[list[str], list[str], InContainer]:
    """The codes of causes and mentions."""
    if "echo" not in json.loads((box.host / "mcp.json").read_text())["mcpServers"]:
        box.sync({wish.name: dict(wish.entry)}, **more.pop("files", {}))
    seen = box.look(wish, **more)
    judged = box.judged(wish, seen)
    return codes(judged.causes), codes(judged.mentions), seen


def test_a_healthy_server_has_no_finding(box: Box) -> None:
    wish = starts("echo-server")
    causes, mentions, seen = found(box, wish)
    assert (causes, mentions) == ([], [])
    assert seen.tried["echo"].tools == 1
    assert seen.user == "agent"
    assert seen.held is not None
    assert (seen.held.uid, seen.held.home) == (str(AGENT), "/home/agent")
    assert seen.held.bridge.same is True
    assert seen.works("echo")
    assert seen.unseen == ()


@pytest.mark.parametrize(
    ("program", "mode", "code"),
    [
        ("", 0, "MC207"),
        ("#!/bin/sh\nexit 0\n", 0o644, "MC208"),
        ("#!/no/such/python\n", 0o755, "MC207"),
        ("#!/bin/sh\nexec no-such-runtime\n", 0o755, "MC207"),
        ("\x7fELF\x02garbage\n", 0o755, "MC208"),
        ("#!/bin/sh\necho 'KEY is missing' >&2\nexit 3\n", 0o755, "MC209"),
        ("#!/bin/sh\nexec sleep 60\n", 0o755, "MC210"),
        ("#!/bin/sh\necho hello, I am a server\nexec sleep 60\n", 0o755, "MC211"),
        ("#!/bin/sh\nexec yes\n", 0o755, "MC211"),
    ],
)
def test_why_a_command_does_not_become_a_server(
    box: Box, program: str, mode: int, code: str
) -> None:
    if program:
        box.engine.put("/usr/local/bin/broken", program, mode)
    wish = starts("broken")
    causes, mentions, seen = found(box, wish, seconds=3.0)
    assert (causes, mentions) == ([code], [])
    judged = box.judged(wish, seen)
    assert "`echo`" in judged.causes[0].finding.message
    assert judged.causes[0].finding.help
    shown = judged.causes[0].shows
    assert shown is not None
    assert shown.session == ("pending" if code in {"MC210", "MC211"} else "failed")


def test_its_last_words_are_told_without_its_secret(box: Box) -> None:
    program = (
        "#!/bin/sh\necho 'token=ghp_16C7e42F292c6912E7710c838347Ae178B4a rejected' >&2\nexit 1\n"
    )
    box.engine.put("/usr/local/bin/broken", program)
    wish = starts("broken")
    _, _, seen = found(box, wish)
    finding = box.judged(wish, seen).causes[0].finding
    assert finding.message.endswith("exit code 1")
    assert "ghp_" not in str(finding)
    assert "rejected" in str(finding.notes)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("npm warn exec The following package was not found and will be installed: x@1", "MC285"),
        ("Downloading numpy (15.8MiB)", "MC285"),
        ("waiting for the database", "MC210"),
    ],
)
def test_who_is_still_being_installed_is_only_slow(box: Box, says: str, code: str) -> None:
    box.engine.put("/usr/local/bin/npx", f"#!/bin/sh\necho '{says}' >&2\nexec sleep 60\n")
    wish = starts("npx", "-y", "x")
    causes, _, seen = found(box, wish, seconds=3.0)
    assert causes == [code]
    notes = box.judged(wish, seen).causes[0].finding.notes
    assert says[:30] in str(notes)


def test_the_wire_is_asked_from_inside(box: Box) -> None:
    with gateway("x") as port:
        url = f"http://127.0.0.1:{port}/mcp"
        target = {"url": url, "seconds": 4.0, "headers": {}, "proxy": ""}
        as_agent = {**target, "header_vars": {"Authorization": "Bearer ${TOKEN}"}}
        box.engine.env["TOKEN"] = "x"
        seen = box.look(wire={"far": target, "near": as_agent})
    statuses = {
        name: [s["status"] for s in report["stations"] if s["station"] == "call"]
        for name, report in seen.wire.items()
    }
    assert 401 in statuses["far"]
    assert statuses["near"]
    assert 401 not in statuses["near"]
    assert not seen.works("far")


def test_variables_of_the_container_are_put_in_there(box: Box) -> None:
    needs = ECHO.replace(
        "import json, sys", "import json, os, sys\nassert os.environ['KEY'] == 'k1'"
    )
    box.engine.put("/usr/local/bin/needs-key", needs)
    wish = starts("needs-key", KEY="${KEY:-}")
    causes, _, seen = found(box, wish)
    assert causes == ["MC209"]
    assert "`KEY`: its entry refers" in str(box.judged(wish, seen).causes[0].finding.notes)
    box.engine.env["KEY"] = "k1"
    assert found(box, wish)[:2] == ([], [])


def test_the_command_is_looked_for_where_the_agent_looks(box: Box) -> None:
    box.engine.put("/home/agent/bin/mine", ECHO, owner=AGENT)
    wish = starts("mine")
    assert found(box, wish)[0] == ["MC207"]
    box.engine.env["PATH"] = "/home/agent/bin:/usr/local/bin:/usr/bin:/bin"
    assert found(box, wish)[0] == []


def test_who_hangs_is_ended_in_the_container_too(box: Box) -> None:
    box.engine.put("/usr/local/bin/deaf", "#!/bin/sh\ntrap '' TERM INT HUP\nexec sleep 61.4321\n")
    found(box, starts("deaf"), seconds=2.0)
    end = time.monotonic() + 60
    while b"61.4321" in b"".join(_command_lines()):
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.2)


def _command_lines() -> Iterator[bytes]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue


# --- what it holds ----------------------------------------------------------------------------


def test_a_stale_mount(box: Box) -> None:
    """The directory was made anew on the host; the container has the old one."""
    wish = starts("no-such-thing")
    box.sync({"echo": dict(wish.entry)})
    old = box.host.with_name("old")
    shutil.copytree(box.host, old, symlinks=True)
    box.sync({"echo": dict(wish.entry), "more": {"command": "x"}})
    at = box.engine.at("/etc/mcpconf")
    at.unlink()
    at.symlink_to(old)
    seen = box.look(wish)
    judged = box.judged(wish, seen)
    assert codes(judged.causes) == ["MC200", "MC207"]
    assert judged.causes[0].finding.help == ("ddev restart",)
    wish = wish._replace(name="more")
    seen = box.look(wish)
    assert "has no `more`" in box.judged(wish, seen).causes[0].finding.message


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda box: (box.host / "mcp.json").unlink(), "`/etc/mcpconf/mcp.json` is not there"),
        (
            lambda box: (box.host / "mcp.json").resolve().chmod(0o600),
            "cannot be read by `agent`",
        ),
        (
            lambda box: (box.engine.at("/etc/claude-code") / "managed-mcp.json").unlink(),
            "leads nowhere",
        ),
        (
            lambda box: box.engine.put("/etc/claude-code/managed-mcp.json", "{}"),
            "is not what mcpconf wrote",
        ),
    ],
)
def test_claude_code_does_not_find_its_file(
    box: Box, spoil: Callable[[Box], Any], says: str
) -> None:
    wish = starts("echo-server")
    box.sync({"echo": dict(wish.entry)})
    spoil(box)
    seen = box.look(wish)
    causes = box.judged(wish, seen).causes
    assert codes(causes) == ["MC201"]
    assert says in causes[0].finding.message


def test_a_bridge_that_is_not_there_and_one_of_another_version(box: Box) -> None:
    wish = behind()
    files = {"bridge.json": box.way(1)}
    box.engine.put("/usr/local/bin/mcpconf-bridge", "#!/bin/sh\nexit 1\n")
    causes, mentions, _ = found(box, wish, files=files)
    assert mentions == ["MC204"]
    assert causes == ["MC217"]
    (box.engine.at("/usr/local/bin") / "mcpconf-bridge").unlink()
    causes, mentions, _ = found(box, wish, files=files)
    assert (causes[0], mentions) == ("MC203", [])


def test_the_bridge_needs_python(box: Box) -> None:
    box.engine.env["PATH"] = "/usr/local/bin"
    causes, _, seen = found(box, behind(), files={"bridge.json": box.way(1)})
    assert causes[0] == "MC203"
    assert "has no `python3`" in box.judged(behind(), seen).causes[0].finding.message


def test_bridge_json_that_the_agent_cannot_read(box: Box) -> None:
    box.sync({"jira": dict(behind().entry)}, **{"bridge.json": box.way(1)})
    (box.host / "bridge.json").resolve().chmod(0o600)
    seen = box.look(behind())
    assert codes(box.judged(behind(), seen).causes) == ["MC205"]
    (box.host / "bridge.json").unlink()
    seen = box.look(behind())
    assert codes(box.judged(behind(), seen).causes) == ["MC205"]


# --- the way to the gateway -------------------------------------------------------------------


@contextmanager
def gateway(token: str) -> Iterator[int]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fits = self.headers.get("Authorization") == f"Bearer {token}"
            known = self.path == "/healthz"
            self.send_response(200 if known else 404 if fits else 401)
            self.end_headers()

        def do_POST(self) -> None:
            fits = self.headers.get("Authorization") == f"Bearer {token}"
            self.send_response(404 if fits else 401)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_the_gateway_refuses_an_older_token(box: Box) -> None:
    with gateway("n" * 40) as port:
        causes, _, seen = found(box, behind(), files={"bridge.json": box.way(port)})
        assert (seen.reach.state, seen.reach.token) == ("ok", False)
        assert causes == ["MC226"]
        causes, _, seen = found(box, behind(), files={"bridge.json": box.way(port, token="n" * 40)})
        assert (seen.reach.state, seen.reach.token) == ("ok", True)
        assert causes == []  # it does not know the server: that is the gateway's to say
    assert "ttttt" not in repr(seen)


def test_nothing_listens_for_containers(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    causes, _, seen = found(box, behind(), files={"bridge.json": box.way(port)})
    assert (causes, seen.reach.state) == (["MC217"], "refused")
    box.gateway = False
    assert codes(box.judged(behind(), seen).causes) == [], "the host says that it does not run"


def test_a_name_of_the_gateway_that_does_not_resolve(box: Box) -> None:
    way = box.way(8811, host="no-such-gateway.invalid")
    causes, _, seen = found(box, behind(), files={"bridge.json": way})
    assert (causes, seen.reach.state) == (["MC217"], "name")


def test_something_else_listens_there(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_greets, args=(other,), daemon=True).start()
        way = box.way(other.getsockname()[1])
        causes, _, seen = found(box, behind(), files={"bridge.json": way})
    assert (causes, seen.reach.state) == (["MC217"], "other")


def _greets(server: socket.socket) -> None:
    while True:
        try:
            made, _ = server.accept()
        except OSError:
            return
        made.sendall(b"SSH-2.0-OpenSSH_9\r\n")
        made.close()


# --- the client there, and hostile files ------------------------------------------------------


def test_what_the_client_remembers_there(box: Box) -> None:
    home, owner = "/home/agent/.claude", AGENT
    cache = {"jira": {"timestamp": 1764000000000}}
    stored = {"mcpOAuth": {"jira|0123456789abcdef": {"accessToken": "s3cret", "refreshToken": ""}}}
    box.engine.put(f"{home}/mcp-needs-auth-cache.json", json.dumps(cache), 0o600, owner)
    box.engine.put(f"{home}/.credentials.json", json.dumps(stored), 0o600, owner)
    logs = "/home/agent/.cache/claude-cli-nodejs/-work-shop/mcp-logs-jira"
    (box.engine.at("/home") / "agent/work/shop").mkdir(parents=True)
    box.engine.put(f"{logs}/2026.jsonl", '{"error":"no"}\n', 0o600, owner)
    box.engine.env["HTTPS_PROXY"] = "http://ada:pw@proxy:3128"
    seen = box.look(behind())
    assert seen.client["needs-auth"] == cache
    entry = {"accessToken": "***", "refreshToken": ""}
    assert seen.client["credentials"] == {"mcpOAuth": {"jira|0123456789abcdef": entry}}
    assert seen.logs == {"jira": '{"error":"no"}\n'}
    assert seen.environ == {"HTTPS_PROXY": "http://***@proxy:3128"}
    assert "s3cret" not in repr(seen)


def test_files_that_would_never_end(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_container, "_FACTS", 9.0)
    claude = box.engine.put("/home/agent/.claude/x", "", owner=AGENT).parent
    os.mkfifo(claude / "mcp-needs-auth-cache.json")
    (claude / ".credentials.json").symlink_to("/dev/zero")
    (claude / "state").mkdir()
    (claude / "state/mcp-discover-verdicts.json").write_text("[" * 900_000)
    began = clock.now()
    seen = box.look(behind())
    assert clock.now() - began < 20
    assert seen.client == {}
    assert steps(seen, Aim(behind(), AT))


def test_nothing_of_the_agents_runs_while_it_is_looked_at(box: Box) -> None:
    """Its PATH begins with its own directory, as ~/.local/bin often does."""
    trap = "#!/bin/sh\n/bin/echo ran >>/home/agent/ran\necho fooled\n"
    for name in ("id", "base64", "head", "sha256sum", "readlink", "ls", "tail", "cat", "sh"):
        box.engine.put(f"/home/agent/bin/{name}", trap, owner=AGENT)
    box.engine.env["PATH"] = "/home/agent/bin:/usr/local/bin:/usr/bin:/bin"
    box.engine.env["ENV"] = box.engine.env["BASH_ENV"] = "/home/agent/start"
    box.engine.put("/home/agent/start", "echo started >>/home/agent/ran\n", owner=AGENT)
    seen = box.look()
    assert seen.held is not None
    assert seen.held.uid == str(AGENT)
    assert not (box.engine.at("/home") / "agent/ran").exists()


def test_foreign_text_is_escaped_in_every_message(box: Box) -> None:
    box.engine.put("/usr/local/bin/broken", "#!/bin/sh\nprintf 'a\\033[2Jb\\n' >&2\nexit 1\n")
    wish = starts("broken")
    _, _, seen = found(box, wish)
    finding = box.judged(wish, seen).causes[0].finding
    assert r"a\x1b[2Jb" in str(finding.notes[0])
    assert "\x1b" not in "".join((finding.message, *finding.notes, *finding.help))


# --- who the agent is -------------------------------------------------------------------------


def dev_container(box: Box, **more: Any) -> None:
    box.kind = "devcontainer"
    box.engine.env = {}
    metadata = [{"remoteUser": "root"}, {"remoteUser": "agent", **more}]
    box.engine.labels = {"devcontainer.metadata": json.dumps(metadata)}


def test_a_dev_container_has_the_path_of_its_login_shell(box: Box) -> None:
    dev_container(box)
    box.engine.put("/home/agent/.local/bin/mine", ECHO, owner=AGENT)
    profile = 'echo welcome\nPATH="$HOME/.local/bin:$PATH"\n'
    box.engine.put("/home/agent/.profile", profile, owner=AGENT)
    wish = starts("mine")
    causes, _, seen = found(box, wish)
    assert (seen.user, seen.why_user) == ("agent", "remoteUser of the dev container")
    assert causes == []
    dev_container(box, userEnvProbe="none")
    assert found(box, wish)[0] == ["MC207"]


def test_a_shell_that_hangs_does_not_keep_the_rest(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_container, "_SHELL", 2.0)
    dev_container(box)
    box.engine.put("/home/agent/.profile", "sleep 50\n", owner=AGENT)
    causes, _, seen = found(box, starts("echo-server"))
    assert (causes, seen.user) == ([], "agent")


def test_a_user_who_is_not_there(box: Box) -> None:
    box.kind, box.engine.env, box.engine.user = "none", {}, "nobody-such"
    causes, _, seen = found(box, starts("echo-server"))
    assert causes == ["MC202"]
    assert seen.held is None


@pytest.mark.parametrize("user", ["-privileged", "a b", "x;y", "", None, {"a": 1}, "u" * 100])
def test_a_label_names_no_option(box: Box, user: Any) -> None:
    box.engine.labels = {"devcontainer.metadata": json.dumps([{"remoteUser": user}])}
    box.engine.env = {}
    assert agent_of(inspect(box.container, 30), PROJECT).user == ""


# --- from within ------------------------------------------------------------------------------


def test_the_same_without_an_engine(box: Box) -> None:
    wish = starts("no-such-command-here")
    asked = look_container.Look("/", (wish,), seconds=3.0)
    seen = look_container.look(HERE, asked)
    assert isinstance(seen, InContainer)
    assert seen.held is not None
    assert seen.held.uid == str(os.getuid())
    assert "MC207" in codes(box.judged(wish, seen).causes)
