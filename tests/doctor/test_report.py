"""``--report`` and ``--html`` hold no secret, wherever one stands, and nobody's name."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mcpconf.cli import doctor_command, live_commands
from mcpconf.diagnosis.checks.check import Check, State
from mcpconf.findings import Finding
from mcpconf.report import issue
from mcpconf.report.issue import logged

# One of each place; none of them looks like another, so that a leak names its place.
PLANTED = {
    "header": "hdr-7Qm2xV9kLp4sTz8w",
    "header by variable": "hdv-3Nf6yB1cRd5gHj0q",
    "odd header": "plainwordsecretnobodyguesses",
    "env literal": "env-9Zx4uW2mKs7vPe1t",
    "env by variable": "enr-5Ga8oC3nQi6bYl2d",
    "argument": "arg-1Tk7eM5rXo9hVf3z",
    "argument joined": "ajo-8Lw2iD6pSu4jBn0x",
    "url query": "qry-6Hc3aJ9tFy1kGq5m",
    "url user": "usr-2Vr5lP8wEz7xNs4o",
    "url password": "pwd-4Kb9gU1yQm6cTi3f",
    "url path": "pth-7Xd2nS5vHo8aRw1j",
    "user settings": "set-0Pe6qL3zCk9uMt7b",
    "project settings": "prs-5Yj1fW8gVx4iDn2h",
    "local settings": "los-3Oz7rA6eTs0mBc9l",
    "settings of ~/.claude.json": "glo-9Iu4hK2jZw5pFv8y",
    "client's login": "lgn-1Qg6xE7bNr3oYd4s",
    "client's refresh token": "rfr-8Ct5mU0kXa2zPi9v",
    "shell": "shl-2Sw9dH4lJf7nGe6q",
    "skipped entry": "skp-6Mv3yR1tBo8cLk5u",
    "url of a broken entry": "bro-4Fx0pZ9sWi7gQj2a",
    "log of the gateway": "log-7Ne5aV2hTu1rKd8m",
    "answer of a server": "ans-3Bp8cO6wYl4xSz9f",
    "pending server": "pnd-5Ju2kI7qEg0vHt1n",
    "basic": base64.b64encode(b"me:bas-secret-4x9").decode(),
}


class _Echo(BaseHTTPRequestHandler):
    """A server that gives back what it was told, as careless ones do."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = " ".join(f"{k}={v}" for k, v in self.headers.items())
        body = f"refused: {told} {self.path} token={PLANTED['answer of a server']}"
        self.send_response(401, f"no {self.headers.get('X-Api-Key', '')}")
        self.send_header("www-authenticate", f'Bearer error="{self.headers.get("X-Api-Key", "")}"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        self.do_POST()


@pytest.fixture
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def planted(home: Any, echo: int) -> Any:
    """A house with a secret in every place that may hold one."""
    p = PLANTED
    url = f"http://127.0.0.1:{echo}"
    servers = {
        "headers": {
            "type": "http",
            "url": f"{url}/mcp",
            "headers": {
                "X-Api-Key": p["header"],
                "X-Odd": p["odd header"],
                "X-Var": "${HDV_TOKEN}",
            },
        },
        "basic": {
            "type": "http",
            "url": f"{url}/mcp",
            "headers": {"Authorization": f"Basic {p['basic']}"},
        },
        "urls": {
            "type": "http",
            "url": f"http://{p['url user']}:{p['url password']}@127.0.0.1:{echo}/t/{p['url path']}/mcp?api_key={p['url query']}",
        },
        "process": {
            "command": "/opt/tools/server",
            "args": ["--api-key", p["argument"], f"--token={p['argument joined']}"],
            "env": {"API_KEY": p["env literal"], "OTHER_TOKEN": "${ENR_TOKEN}"},
        },
        "skipped": {"type": "http", "headers": {"Authorization": f"Bearer {p['skipped entry']}"}},
        "broken": {"type": "http", "url": f"htp://x.example/?key={p['url of a broken entry']}"},
    }
    home.put(
        "home/.claude.json",
        {"mcpServers": servers, "env": {"GLO_TOKEN": p["settings of ~/.claude.json"]}},
    )
    home.put(
        "project/.mcp.json",
        {"mcpServers": {"waits": {"command": "npx", "args": ["x", "--key", p["pending server"]]}}},
    )
    env = {"HDV_TOKEN": p["header by variable"], "SET_TOKEN": p["user settings"]}
    home.put("home/.claude/settings.json", {"env": env})
    home.put("project/.claude/settings.json", {"env": {"PRS_TOKEN": p["project settings"]}})
    home.put("project/.claude/settings.local.json", {"env": {"LOS_TOKEN": p["local settings"]}})
    login = {"accessToken": p["client's login"], "refreshToken": p["client's refresh token"]}
    home.put("home/.claude/.credentials.json", {"mcpOAuth": {"headers|0123": login}})
    home.run("sync", env={"ENR_TOKEN": p["env by variable"]})
    log = home.home / ".local/state/mcpconf/gateway/decisions.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    line = {"at": 1, "event": "failed", "code": "upstream", "project": home.state.name}
    line |= {"server": "headers", "reason": f"token={p['log of the gateway']}", "body": p["header"]}
    log.write_text(json.dumps(line) + "\n" + json.dumps({**line, "project": "other-1"}) + "\n")
    return home


@pytest.mark.parametrize("option", ["--report", "--html"])
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_no_secret_gets_out(
    planted: Any, option: str, program: Callable[..., Any], *, running: bool
) -> None:
    env = {"ENR_TOKEN": PLANTED["env by variable"], "SHL_TOKEN": PLANTED["shell"]}
    if running:
        assert program("gateway", "start", "--home", str(planted.home), env=env).code == 0
    file = planted.root / "out"
    said = planted.run("doctor", option, str(file), env=env)
    token = (planted.state / "token").read_text().strip()
    secrets = {**PLANTED, "token": token, "password": "bas-secret-4x9"}
    for where, text in {option: file.read_text(), "stdout": said.out, "stderr": said.err}.items():
        for place, secret in secrets.items():
            assert secret not in text, f"{place} is in {where}"
            assert secret[4:14] not in text, f"a piece of {place} is in {where}"
    text = file.read_text()
    for name in ("headers", "urls", "process", "basic"):
        assert name in text


def test_every_planted_secret_is_known_and_taken_out(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line: whatever texts a check may make, these do not get through."""
    monkeypatch.setenv("ENR_TOKEN", PLANTED["env by variable"])
    monkeypatch.setenv("SHL_TOKEN", PLANTED["shell"])
    where = live_commands.Where(planted.home, planted.project)
    given, found = doctor_command._examine(["headers"], where, "")
    token = (planted.state / "token").read_text().strip()
    foreign = {"answer of a server", "log of the gateway"}
    secrets = {k: v for k, v in PLANTED.items() if k not in foreign} | {"token": token}
    dirty = tuple(
        Check(
            place, State.FAIL, f"said {s!r}", (Finding("MC299", f"has {s}", None, (s,), (s[:20],)),)
        )
        for place, s in secrets.items()
    )
    text = issue.markdown(found._replace(checks=dirty), given)
    text += doctor_command._page(found._replace(checks=dirty), given)
    for place, secret in secrets.items():
        assert secret[4:14] not in text, place


def test_the_report_is_worth_attaching(planted: Any) -> None:
    file = planted.root / "report.md"
    planted.run("doctor", "--report", str(file))
    text = file.read_text()
    for part in ("# mcpconf doctor", "## Checks", "## Servers", "## Plan", "Python 3", "MC215"):
        assert part in text, part
    assert "http://127.0.0.1" in text
    assert "the gateway's last 1 decisions".lower() in text.lower()
    assert (
        "failed  upstream  headers  token=\\*\\*\\*" in text
        or "failed  upstream  headers  token=***" in text
    )


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("set `MY_KEY` in <b>", "set `MY_KEY` in \\<b\\>"),
        ("`a|b`", "`a\\|b`"),
        ("a ` <b>", "a \\` \\<b\\>"),
        ("`` ` `` `<img>`", "\\`\\` \\` \\`\\` \\`\\<img\\>\\`"),
        ("@ada [x](y)", "\\@ada \\[x\\](y)"),
    ],
)
def test_a_text_in_markdown(text: str, cell: str) -> None:
    """Between backticks a backslash would be seen; who leaves one open gets none."""
    assert issue._cell(text) == cell


def test_nobody_is_named(builder: Callable[..., Any], tmp_path: Path) -> None:
    house = builder(tmp_path / "alicebobson", {})
    home = house.home / "alicebobson"
    project = home / "secretclient"
    project.mkdir(parents=True)
    (home / ".claude.json").write_text(
        json.dumps(
            {"mcpServers": {"db": {"command": str(home / "bin/server"), "args": [str(project)]}}}
        )
    )
    (project / ".mcp.json").write_text('{"mcpServers": {"x": {"command": ')
    from tests.conftest import run  # noqa: PLC0415

    for option, name in (("--report", "r.md"), ("--html", "p.html")):
        words = ["doctor", "--home", str(home), "--project", str(project)]
        run(*words, option, str(tmp_path / name))
        text = (tmp_path / name).read_text()
        assert "alicebobson" not in text, text
        assert str(tmp_path) not in text.replace(str(tmp_path / "alicebobson"), "")
        if option == "--report":
            assert "secretclient" not in text, text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"project": "p", "event": "a", "code": "b", "server": "c", "reason": "d"}', "a  b  c  d"),
        ('{"project": "q", "event": "a"}', ""),
        ('{"event": "started"}', "started"),
        ('{"event": "a", "project": "p", "reason": "key=abcdef1234567890abcd"}', "a  key=***"),
        ('{"event": "\\u001b[2J", "project": "p"}', "\\x1b[2J"),
        ("no JSON", ""),
        ("[1]", ""),
        ("[" * 100_000, ""),
    ],
)
def test_lines_of_the_gateways_log(line: str, said: str) -> None:
    assert logged(line, "p") == said
