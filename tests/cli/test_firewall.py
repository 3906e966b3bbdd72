"""``firewall …`` and ``allow --blocked``: the host's side of the container's firewall."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests import clock
from tests.containers.fake_engine import FakeEngine, container

HOME = {"home/.claude.json": {"mcpServers": {}}}
POLICY = "home/.config/mcpconf/mcpconf.toml"
WHEN = 1764112345.2


def row(name: str | None = None, port: int | None = 443, **more: Any) -> dict[str, Any]:
    """One row as ``mcpconf-fw blocked --format json`` prints it."""
    return {
        "first": WHEN - 60,
        "last": WHEN,
        "name": name,
        "candidates": [],
        "address": None,
        "port": port,
        "protocol": "tcp",
        "count": 1,
        "reason": "name",
        **more,
    }


def listed(*rows: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "blocked": rows})


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def built(house: Callable[..., Any], engine: FakeEngine) -> Any:
    """A house whose project was synced, and a container that mounts what was written."""
    found = house(HOME)
    assert found.run("sync").code == 0
    engine.containers = [container("shop-claude", mounts={str(found.container): "/etc/mcpconf"})]
    return found


@pytest.fixture
def firewall(built: Any, engine: FakeEngine, program: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``mcpconf firewall …`` for the house, with the fake engine."""

    def run(verb: str, *words: str, **more: Any) -> Any:
        where = ["--home", str(built.home), "--project", str(built.project)]
        return program("firewall", verb, *where, *words, env=engine.environ, **more)

    return run


def rows(built: Any, kind: str = "allow") -> list[dict[str, Any]]:
    path = built.root / POLICY
    return tomllib.loads(path.read_text()).get(kind, []) if path.exists() else []


# --- in the container ---------------------------------------------------------------------------


def test_status_is_asked_in_the_container_as_root(
    firewall: Callable[..., Any], engine: FakeEngine
) -> None:
    engine.programs = {"mcpconf-fw": {"stdout": "in force\n", "stderr": "note: x\n", "code": 1}}
    said = firewall("status")
    assert (said.code, said.out, said.err) == (1, "in force\n", "note: x\n")
    assert engine.ran[-1] == ["shop-claude", "mcpconf-fw", "status"]


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        (["status", "--format", "json"], ["status", "--format", "json"]),
        (["verify"], ["verify"]),
        (["refresh"], ["refresh"]),
        (["blocked"], ["blocked"]),
        (
            ["blocked", "api.example.com", "--since", "90", "--format", "json"],
            ["blocked", "--format", "json", "--since", "90", "api.example.com"],
        ),
        (["blocked", "--follow"], ["blocked", "--follow"]),
    ],
    ids=" ".join,
)
def test_words_are_passed_on(
    firewall: Callable[..., Any], engine: FakeEngine, words: list[str], inside: list[str]
) -> None:
    engine.programs = {"mcpconf-fw": {"stdout": "{}\n"}}
    assert firewall(*words).code == 0
    assert engine.ran[-1] == ["shop-claude", "mcpconf-fw", *inside]


def test_what_a_container_says_cannot_move_the_cursor(
    firewall: Callable[..., Any], engine: FakeEngine
) -> None:
    engine.programs = {"mcpconf-fw": {"stdout": "a\x1b[2Jb\r\u202ec\n", "stderr": "\x07\n"}}
    said = firewall("status")
    assert said.out == "a\\x1b[2Jb\\r\\u202ec\n"
    assert said.err == "\\x07\n"


def test_several_containers(firewall: Callable[..., Any], engine: FakeEngine, built: Any) -> None:
    engine.containers.append(container("shop-dev", mounts={str(built.container): "/etc/mcpconf"}))
    engine.programs = {
        "shop-claude mcpconf-fw": {"stdout": "one\n"},
        "shop-dev mcpconf-fw": {"stdout": "two\n", "code": 1},
    }
    said = firewall("status")
    assert (said.code, said.out) == (1, "one\ntwo\n")
    assert said.err == "container shop-claude:\ncontainer shop-dev:\n"
    for words in (["refresh"], ["blocked", "--follow"], ["status", "--format", "json"]):
        said = firewall(*words)
        assert said.code == 2
        assert "--container shop-claude" in said.err
    assert firewall("refresh", "--container", "shop-dev").code == 1
    assert engine.ran[-1] == ["shop-dev", "mcpconf-fw", "refresh"]


def test_a_container_without_the_program(firewall: Callable[..., Any]) -> None:
    said = firewall("status")
    assert said.code == 4
    assert "`shop-claude` has no mcpconf-fw" in said.err
    assert "mcpconf firewall --install" in said.err


def test_no_container(firewall: Callable[..., Any], engine: FakeEngine) -> None:
    engine.containers = []
    said = firewall("verify")
    assert said.code == 4
    assert said.err.startswith("error: no running container of this project was found\n")


def test_in_a_container_nobody_else_is_asked(
    built: Any, engine: FakeEngine, program: Callable[..., Any], tmp_path: Path
) -> None:
    inside = tmp_path / "bin"
    inside.mkdir()
    tool = inside / "mcpconf-fw"
    tool.write_text("#!/bin/sh\necho here: $*\n")
    tool.chmod(0o755)
    where = ["--home", str(built.home), "--project", str(built.project)]
    env = {**engine.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with (
        mock.patch("mcpconf.containers.inside.PLACES", ("/nowhere/mcpconf-fw", str(tool))),
        mock.patch("mcpconf.containers.program.RUN", str(inside)),
        mock.patch("os.geteuid", return_value=0),
    ):
        said = program("firewall", "status", *where, env=env)
    assert (said.code, said.out) == (0, "here: status\n")
    assert engine.asked == []


def test_a_reader_that_has_gone_ends_the_program_in_the_container(
    built: Any, engine: FakeEngine
) -> None:
    """``mcpconf firewall blocked --follow | head -1``."""
    engine.folder.mkdir()
    endless = engine.folder / "fake-engine"
    engine.write()
    endless.write_text(
        '#!/bin/sh\ncase $1 in exec) while :; do echo line; sleep 0.01; done ;; esac\n'
        f'exec {sys.executable} -IS "$0.py" "$@"\n'
    )  # fmt: skip
    where = ["--home", str(built.home), "--project", str(built.project), "--container", "x"]
    command = [sys.executable, "-m", "mcpconf", "firewall", "blocked", "--follow", *where]
    done = subprocess.run(
        f"{' '.join(command)} | head -1", shell=True, capture_output=True, text=True, timeout=60,
        check=False, env={**os.environ, "MCPCONF_ENGINE": str(endless)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("line\n", "")


# --- the program and the texts --------------------------------------------------------------------


def test_without_a_verb_it_says_which_there_are(program: Callable[..., Any]) -> None:
    said = program("firewall")
    assert said.code == 2
    for verb in ("render", "status", "blocked", "verify", "refresh", "--install"):
        assert verb in said.out


def test_install_writes_a_program(program: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "mcpconf-fw"
    said = program("firewall", "--install", str(path))
    assert said.code == 0
    done = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage: mcpconf-fw apply")
    said = program("firewall", "--install", str(tmp_path))
    assert said.code == 4
    assert said.err.startswith("error: the program could not be written")


def test_render_shows_what_would_be_in_force(firewall: Callable[..., Any], tmp_path: Path) -> None:
    said = firewall("render")
    assert said.code == 0
    for name in ("ipset.restore", "iptables.restore", "ip6tables.restore", "nftables.nft",
                 "dnsmasq.conf", "dnsmasq.servers", "ulogd.conf"):  # fmt: skip
        assert f"# ===== {name} =====\n" in said.out
    assert ":OUTPUT DROP" in said.out
    assert "server=/api.anthropic.com/127.0.0.11" in said.out
    assert "haproxy.cfg" not in said.out
    assert firewall("render").out == said.out
    out = tmp_path / "rendered"
    assert firewall("render", "--out", str(out)).code == 0
    assert said.out == "".join(
        f"# ===== {name} =====\n{(out / name).read_text()}\n"
        for name in [
            line.split()[2] for line in said.out.splitlines() if line.startswith("# =====")
        ]
    )


def test_render_of_strict_mode_has_the_gate(firewall: Callable[..., Any], built: Any) -> None:
    built.put(POLICY, '[firewall]\nmode = "strict"\n')
    assert "# ===== haproxy.cfg =====\n" in firewall("render").out


def test_render_for_the_container_that_runs(
    firewall: Callable[..., Any], engine: FakeEngine
) -> None:
    files = {
        "/etc/resolv.conf": "nameserver 10.20.30.40\n",
        "/etc/hosts": "172.30.0.1 host.docker.internal\n",
        "/etc/passwd": "root:x:0:0::/:/bin/sh\nmcpconf-dns:x:123:9::/:/bin/false\n",
    }
    engine.programs = {"cat": {"files": files}}
    said = firewall("render", "--site", "auto")
    assert said.code == 0
    assert "server=/api.anthropic.com/10.20.30.40" in said.out
    assert "--uid-owner 123" in said.out
    engine.programs = {}
    assert "can be read; does it run?" in firewall("render", "--container", "gone").err


# --- allow --peer -----------------------------------------------------------------------------------


def test_a_peer_is_allowed_and_taken_back(built: Any) -> None:
    said = built.run("allow", "--peer", "DB", "--port", "3306", "--why", "tests")
    assert said.code == 0
    assert "`db` is now allowed on port 3306" in said.err
    key = str(built.project)
    expected = {"name": "db", "ports": [3306], "why": "tests", "project": key}
    assert rows(built, "peer") == [expected]
    egress = built.run("plan", "--format", "json").json["egress"]
    assert [(r["host"], r["port"]) for r in egress if r["form"] == "peer"] == [("db", 3306)]
    assert built.run("allow", "--peer", "db", "--port", "3306", "--undo").code == 0
    assert rows(built, "peer") == []


@pytest.mark.parametrize(
    "words",
    [
        ["--peer", "db"],
        ["--peer", "db", "--port", "0"],
        ["--peer", "127.0.0.1", "--port", "80"],
        ["--peer", "host.docker.internal", "--port", "80"],
        ["--peer", "8.8.8.8", "--port", "53"],
        ["api.example.com", "--peer", "db", "--port", "80"],
        ["api.example.com", "api.example.org"],
        ["--blocked", "--port", "80"],
        ["--blocked", "--undo"],
        ["--blocked", "--peer", "db"],
    ],
    ids=" ".join,
)
def test_what_allow_does_not_take(built: Any, words: list[str]) -> None:
    said = built.run("allow", *words)
    assert said.code == 2, said
    assert not (built.root / POLICY).exists()


# --- allow --blocked --------------------------------------------------------------------------------


@pytest.fixture
def blocked(built: Any, engine: FakeEngine) -> Callable[..., Any]:
    """Run ``allow --blocked`` with a container that reports these rows."""

    def run(*words: str, rows: Any = (), **more: Any) -> Any:
        engine.programs = {"mcpconf-fw": {"stdout": listed(*rows)}}
        return built.run("allow", "--blocked", *words, env=engine.environ, **more)

    return run


MIXED = [
    row("api.example.com", count=3),
    row("db", 3306, address="172.18.0.3", reason="peer", count=7),
    row(candidates=["a.example.org", "b.example.org"]),
    row("xn--pple-43d.com"),
    row("cdn.example.com", None, protocol="dns", reason="subdomain", record="A"),
    row("quic.example.com", 443, protocol="udp"),
    row(address="169.254.169.254", port=80, reason="metadata"),
    row(address="45.66.77.88", port=123, protocol="udp", reason="address"),
    row("evil.example.com\x1b[2J$(id)"),
    row("api.anthropic.com", reason="expired"),
    row("*.example.com"),
    row("host.docker.internal", 5000, reason="peer"),
    row("x" * 70_000 + ".example.com"),
    row("many.example.com", 0),
    "no row",
    {"name": 5, "port": "443"},
]


def test_what_was_blocked_is_shown_and_without_a_terminal_nothing_is_opened(
    blocked: Callable[..., Any], built: Any, engine: FakeEngine
) -> None:
    said = blocked(rows=MIXED)
    assert said.code == 2
    assert "there is no terminal to ask on" in said.err
    assert "mcpconf allow --blocked db:3306" in said.err
    lines = [line.split()[:4] for line in said.out.splitlines()[1:]]
    assert lines == [
        ["1", "db", "3306", "7"],
        ["2", "api.example.com", "443", "3"],
        ["3", "a.example.org", "443", "1"],
        ["4", "b.example.org", "443", "1"],
        ["5", "cdn.example.com", "443", "1"],
        ["6", "quic.example.com", "443", "1"],
        ["7", "xn--pple-43d.com", "443", "1"],
    ]
    assert "it is `аpple.com` in letters outside ASCII" in said.out.splitlines()[-1]  # noqa: RUF001
    assert "the port is a guess" in said.out
    assert "or another of 2 names" in said.out
    for why in ("metadata service", "only TCP can be opened", "Docker's name for the machine",
                "has left the set", "`*.example.com`"):  # fmt: skip
        assert why in said.err
    assert "\x1b" not in said.out + said.err
    assert len(said.err) < 10_000
    assert rows(built) == []
    assert engine.ran[0] == ["shop-claude", "mcpconf-fw", "blocked", "--format", "json"]


def test_what_is_named_is_opened_in_one_step(blocked: Callable[..., Any], built: Any) -> None:
    said = blocked("api.example.com", "db:3306", rows=MIXED)
    assert said.code == 0
    assert "`mcpconf sync` puts it into force" in said.err
    why = time.strftime("blocked in the container on %Y-%m-%d")
    key = str(built.project)
    assert rows(built) == [{"host": "api.example.com", "ports": [443], "why": why, "project": key}]
    assert rows(built, "peer") == [{"name": "db", "ports": [3306], "why": why, "project": key}]
    assert "2" not in [line.split()[0] for line in blocked(rows=MIXED).out.splitlines()[7:]]
    said = blocked("api.example.com", rows=MIXED)
    assert said.code == 2
    assert "`api.example.com`: it is open in the plan" in said.err


def test_everywhere_and_another_reason(blocked: Callable[..., Any], built: Any) -> None:
    said = blocked("api.example.com", "--everywhere", "--why", "why not", rows=MIXED)
    assert said.code == 0
    assert rows(built) == [{"host": "api.example.com", "ports": [443], "why": "why not"}]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("other.example.com", "`other.example.com` was not blocked"),
        ("169.254.169.254", "metadata service"),
        ("api.example.com:80", "was not blocked"),
        ("db", "which port of `db`"),
        ("all", "`all` was not blocked"),
    ],
)
def test_what_was_not_blocked_is_not_opened(
    blocked: Callable[..., Any], built: Any, word: str, message: str
) -> None:
    said = blocked("api.example.com", word, rows=MIXED)
    assert said.code == 2
    assert message in said.err
    assert rows(built) == []


AT_PORTS = [
    row("api.example.com", 443),
    row("api.example.com", 22, count=9),
    row("git.example.com", 22),
    row("git.example.com", 2222),
    row("db", 3306, reason="peer"),
    row("near", 443, reason="peer"),
    row("asked.example.com", None, protocol="dns"),
]


@pytest.mark.parametrize(
    ("words", "opened", "left"),
    [
        (["api.example.com"], [("api.example.com", 443)], ["api.example.com:22"]),
        (["API.example.com."], [("api.example.com", 443)], ["api.example.com:22"]),
        (["api.example.com:22"], [("api.example.com", 22)], []),
        (["api.example.com", "api.example.com:22"], [("api.example.com", 22),
         ("api.example.com", 443)], []),
        (["git.example.com:22"], [("git.example.com", 22)], []),
        (["asked.example.com"], [("asked.example.com", 443)], []),
    ],
)  # fmt: skip
def test_a_name_without_a_port_opens_what_allow_would(
    blocked: Callable[..., Any],
    built: Any,
    words: list[str],
    opened: list[tuple[str, int]],
    left: list[str],
) -> None:
    said = blocked(*words, rows=AT_PORTS)
    assert said.code == 0, said
    assert sorted((r["host"], p) for r in rows(built) for p in r["ports"]) == opened
    lines = [line.split()[2] for line in said.err.splitlines() if line.startswith("not opened: ")]
    assert lines == [f"{place}," for place in left]


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("git.example.com", "git.example.com:22, git.example.com:2222"),
        ("db", "db:3306"),
        ("near", "near:443"),
    ],
)
def test_which_other_port_has_to_be_said(
    blocked: Callable[..., Any], built: Any, word: str, places: str
) -> None:
    said = blocked(word, rows=AT_PORTS)
    assert said.code == 2
    assert f"which port of `{word}` was not said" in said.err
    assert f"blocked were {places}\n" in said.err
    assert f"mcpconf allow --blocked {places.split(',', maxsplit=1)[0]}\n" in said.err
    assert rows(built) == rows(built, "peer") == []


def test_the_machine_below_is_not_a_host_beside_the_container(
    built: Any, engine: FakeEngine
) -> None:
    files = {
        "/proc/net/route": "Iface Destination Gateway Flags\n"
        "eth0 00000000 010012AC 0003\neth0 000012AC 00000000 0001\n",
        "/proc/net/ipv6_route": f"{'0' * 32} 00 {'0' * 32} 00 fd880002{'0' * 23}1 00000400\n"
        f"fd880002{'0' * 24} 40 {'0' * 32} 00 {'0' * 32} 00000100\n",
        "/etc/hosts": "172.17.0.1\thost.docker.internal\n172.18.0.9 db\n",
    }
    attempts = [
        row(address=address, port=5432, reason="peer")
        for address in ("172.18.0.1", "172.17.0.1", "fd88:2::1", "172.18.0.3", "fd88:2::3")
    ]
    attempts += [row("below", 80, address="172.17.0.1", reason="peer"), row("db", 3306)]
    engine.programs = {"mcpconf-fw": {"stdout": listed(*attempts)}, "cat": {"files": files}}
    said = built.run("allow", "--blocked", env=engine.environ)
    assert [line.split()[1] for line in said.out.splitlines()[1:]] == [
        "172.18.0.3", "db", "fd88:2::3"
    ]  # fmt: skip
    assert said.err.count("it is the machine that the container runs on") == 4
    said = built.run("allow", "--blocked", "172.18.0.1:5432", env=engine.environ)
    assert said.code == 2
    assert rows(built, "peer") == []


def test_an_address_of_this_machine_is_none_of_a_list_from_elsewhere(
    built: Any, tmp_path: Path
) -> None:
    file = tmp_path / "blocked.json"
    attempts = [row(address="10.200.3.4", port=80, reason="peer")]
    file.write_text(listed(*attempts))
    with mock.patch("mcpconf.containers.gateways._binds", lambda a, _: a == "10.200.3.4"):
        said = built.run("allow", "--from", str(file))
    assert "it is the machine that the container runs on" in said.err
    with mock.patch("mcpconf.containers.gateways._binds", return_value=True):
        said = built.run("allow", "--from", str(file))
    assert "10.200.3.4" in said.out, "a machine that binds to any address knows nothing"


def test_nothing_was_blocked(blocked: Callable[..., Any]) -> None:
    said = blocked()
    assert said.code == 0
    assert "nothing was blocked that could be opened" in said.err


def test_the_lists_of_several_containers_are_one(
    blocked: Callable[..., Any], built: Any, engine: FakeEngine
) -> None:
    engine.containers.append(container("shop-dev", mounts={str(built.container): "/etc/mcpconf"}))
    said = blocked(rows=[row("api.example.com", count=2)])
    assert said.out.splitlines()[1].split()[:4] == ["1", "api.example.com", "443", "4"]


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"version":2,"blocked":[]}', '{"version":1}'])
def test_another_answer_is_refused(built: Any, engine: FakeEngine, answer: str) -> None:
    engine.programs = {"mcpconf-fw": {"stdout": answer}}
    said = built.run("allow", "--blocked", env=engine.environ)
    assert said.code == 4
    assert "the list of what was blocked cannot be used" in said.err


def test_a_firewall_that_is_not_in_force_says_so(built: Any, engine: FakeEngine) -> None:
    engine.programs = {"mcpconf-fw": {"stderr": "mcpconf-fw: not in force\nhelp: x", "code": 1}}
    said = built.run("allow", "--blocked", env=engine.environ)
    assert said.code == 4
    assert "`shop-claude`: mcpconf-fw: not in force" in said.err


def test_a_list_from_elsewhere(built: Any, tmp_path: Path) -> None:
    file = tmp_path / "blocked.json"
    file.write_text(listed(row("api.example.com")))
    assert built.run("allow", "--from", str(file), "api.example.com").code == 0
    with mock.patch.object(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(listed(row("b.example.com")).encode()))
    ):
        assert built.run("allow", "--blocked", "--from", "-", "b.example.com").code == 0
    assert [r["host"] for r in rows(built)] == ["api.example.com", "b.example.com"]
    said = built.run("allow", "--from", "/nowhere/at/all")
    assert said.code == 4
    assert "/nowhere/at/all cannot be read" in said.err


@pytest.mark.parametrize(
    ("answer", "opened", "code"),
    [
        ("1,3", ["a.example.com", "c.example.com"], 0),
        ("2 2", ["b.example.com"], 0),
        ("all", ["a.example.com", "b.example.com", "c.example.com"], 0),
        ("", [], 0),
        ("none", [], 0),
        ("4", [], 2),
        ("0", [], 2),
        ("yes", [], 2),
        ("1,x", [], 2),
        ("²", [], 2),
    ],
)
def test_on_a_terminal_it_asks_once(
    built: Any, tmp_path: Path, answer: str, opened: list[str], code: int
) -> None:
    file = tmp_path / "blocked.json"
    file.write_text(listed(*(row(f"{n}.example.com", count=9 - i) for i, n in enumerate("abc"))))
    where = ["--home", str(built.home), "--project", str(built.project)]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mcpconf", "allow", "--blocked", "--from", str(file), *where],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    while "[none]: " not in shown:
        shown += os.read(ours, 4096).decode()
    os.write(ours, f"{answer}\n".encode())
    assert process.wait(30) == code
    os.close(ours)
    assert [r["host"] for r in rows(built)] == opened


# --- sync -------------------------------------------------------------------------------------------


def state(generation: str | None, started: int = 77) -> dict[str, Any]:
    """What a container's state.json says, with the network and first process that it has."""
    document = {"version": 1, "instance": "4026531840:77", "generation": generation}
    if generation is None:
        del document["generation"]
    first = f"1 (sh) evil) S {' '.join(['0'] * 18)} {started} 0"
    return {"stdout": f"{json.dumps(document, indent=1)}\nnet:[4026531840]\n{first}\n"}


def sync(built: Any, engine: FakeEngine, *states: dict[str, Any]) -> str:
    """What a sync that changes the whitelist says of a firewall."""
    built.run("allow", "api.example.com")
    if states:
        link = str(built.container / "current")
        engine.programs = {"state": [{**state, "link": link} for state in states]}
    said = built.run("sync", env=engine.environ)
    assert said.code == 0
    ours = ("the firewall", "warning: the firewall", "help: mcpconf firewall")
    return "\n".join(line for line in said.err.splitlines() if line.startswith(ours))


NEW = state("@link@")  # the generation that the sync has written
NAMED = "the firewall of the container shop-claude"


def test_a_sync_without_a_change_asks_nobody(built: Any, engine: FakeEngine) -> None:
    engine.programs = {"state": state("gen-x")}
    began = clock.now()
    assert "firewall" not in built.run("sync", env=engine.environ).err
    assert engine.asked == []
    assert clock.now() - began < 2


def test_sync_says_that_the_firewall_has_it(built: Any, engine: FakeEngine) -> None:
    assert sync(built, engine, NEW) == f"{NAMED} has it"
    assert engine.ran == [["shop-claude", "state", "/run/mcpconf-fw/state.json"]]


def test_sync_waits_for_a_firewall_that_is_behind(built: Any, engine: FakeEngine) -> None:
    busy = {"code": 126, "stderr": "resource temporarily unavailable"}
    states = state("gen-old"), busy, {"stdout": "{"}, state("gen-old"), NEW
    with mock.patch("mcpconf.cli.firewall_commands._TAKEN_WITHIN", 20.0):
        assert sync(built, engine, *states) == f"{NAMED} has it"
    assert len(engine.ran) == len(states)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (state("gen-old"), "has not taken it up yet"),
        (state("@link@", started=78), "has not taken it up yet"),
        (state(None), "does not say whether it has it"),
        (state(""), "does not say whether it has it"),
        ({"code": 126}, "is not to be asked, so it may not have it"),
        ({"stdout": "[" * 100_000}, "is not to be asked, so it may not have it"),
    ],
    ids=["behind", "of another start", "older program", "another file", "no exec", "nonsense"],
)
def test_sync_says_where_the_firewall_does_not_have_it(
    built: Any, engine: FakeEngine, told: Any, message: str
) -> None:
    with mock.patch("mcpconf.cli.firewall_commands._TAKEN_WITHIN", 0.8):
        said = sync(built, engine, told)
    assert said == f"warning: {NAMED} {message}\nhelp: mcpconf firewall status"


def test_sync_says_nothing_of_a_container_without_a_firewall(
    built: Any, engine: FakeEngine
) -> None:
    assert sync(built, engine) == ""
    assert len(engine.ran) == 1


def test_sync_waits_no_longer_than_three_seconds(built: Any, engine: FakeEngine) -> None:
    engine.programs = {"state": state("gen-old")}
    engine.faults = {"exec": {"seconds": 30}}
    built.run("allow", "api.example.com")
    began, watch = time.monotonic(), clock.now()
    said = built.run("sync", env=engine.environ)
    assert time.monotonic() - began >= 3
    assert clock.now() - watch < 6
    assert f"warning: {NAMED} is not to be asked" in said.err


@pytest.mark.parametrize(
    "fault", [{"code": 1, "stderr": "Cannot connect to the Docker daemon"}, {"seconds": 20}]
)
def test_sync_does_not_wait_for_an_engine(
    built: Any, engine: FakeEngine, fault: dict[str, Any]
) -> None:
    engine.faults = {"ps": fault}
    built.run("allow", "api.example.com")
    began = clock.now()
    said = built.run("sync", env=engine.environ)
    assert clock.now() - began < 4  # one of them for the engine
    assert said.code == 0
    assert "Docker" not in said.err
