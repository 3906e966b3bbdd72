from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mcpconf.contract import Ref, Route
from mcpconf.credentials import Credentials, Missing
from mcpconf.credentials.helper import Command, Helpers, command_of, read_headers, run
from mcpconf.model import Opaque, ServerId
from tests import clock

SECRET = "planted-secret-helper"


def command(line: str, **env: str) -> Command:
    return Command(line, "/", {"PATH": os.environ["PATH"], **env})


def failed(line: str, limit: float = 5.0) -> Missing:
    with pytest.raises(Missing) as caught:
        asyncio.run(run(command(line), limit))
    assert caught.value.code == "helper-failed"
    return caught.value


def test_what_it_prints_becomes_headers() -> None:
    line = """printf '\\357\\273\\277{"X-Key": "%s\\\\n", "B": "2"}' "$KEY" """
    headers = asyncio.run(run(command(line, KEY=SECRET), 5))
    assert headers == {"X-Key": SECRET, "B": "2"}


@pytest.mark.parametrize(
    "line",
    [
        f"echo {SECRET}",
        f"echo {SECRET} >&2; exit 3",
        "echo '[1]'",
        """echo '{"A": 1}'""",
        """echo '{"A": NaN}'""",
        """echo '{"A B": "x"}'""",
        """printf '{"A": "x\\\\r\\\\nHost: evil"}'""",
        """printf '{"A": "\\377"}'""",
        "true",
        "exit 1",
        "kill -9 $$",
        "head -c 400000 /dev/zero",
        "no-such-program-at-all",
    ],
)
def test_its_failure_is_said_without_its_output(line: str) -> None:
    assert SECRET not in failed(line).text


def test_a_directory_that_is_not_there() -> None:
    with pytest.raises(Missing) as caught:
        asyncio.run(run(Command("true", "/no/such/place", {}), 5))
    assert caught.value.code == "helper-failed"


def test_nothing_outlives_the_limit(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = clock.now()
    assert "0.3 seconds" in failed(f"sleep 60 & echo $! >{pids}; echo $$ >>{pids}; wait", 0.3).text
    assert clock.now() - started < 3
    for pid in pids.read_text().split():
        assert _gone(int(pid))


def test_nothing_outlives_one_that_has_ended_but_left_its_output_open(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    failed(f"sleep 60 & echo $! >{pids}; exit 0", 0.3)
    assert _gone(int(pids.read_text()))


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_one_runs_at_a_time_and_its_answer_is_kept(tmp_path: Path) -> None:
    count = tmp_path / "count"
    line = f"""echo x >>{count}; sleep 0.2; echo '{{"A": "1"}}'"""

    async def play() -> None:
        helpers = Helpers()
        key = ("p", "s")
        several = (helpers.headers(key, command(line)) for _ in range(20))
        assert await asyncio.gather(*several) == [{"A": "1"}] * 20
        await helpers.headers(key, command(line), refused=True)  # just now: it is the same
        assert count.read_text() == "x\n"
        await helpers.headers(key, command(line, OTHER="1"))  # the entry has changed
        assert count.read_text() == "x\nx\n"

    asyncio.run(play())


def test_a_refusal_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpconf.credentials.helper._JUST_NOW", 0.0)
    count = tmp_path / "count"
    line = f"""echo x >>{count}; printf '{{"A": "%s"}}' "$(wc -l <{count})" """

    async def play() -> None:
        helpers = Helpers()
        first = await helpers.headers(("p", "s"), command(line))
        assert await helpers.headers(("p", "s"), command(line)) == first
        assert await helpers.headers(("p", "s"), command(line), refused=True) != first

    asyncio.run(play())


def test_who_waits_may_leave() -> None:
    async def play() -> None:
        helpers = Helpers()
        line = """sleep 0.2; echo '{"A": "1"}'"""
        leaves = asyncio.create_task(helpers.headers(("p", "s"), command(line)))
        await asyncio.sleep(0.05)
        stays = asyncio.create_task(helpers.headers(("p", "s"), command(line)))
        await asyncio.sleep(0)
        leaves.cancel()
        assert await stays == {"A": "1"}

    asyncio.run(play())


def route_of(file: Path, entry: dict[str, Any], pointer: str = "/mcpServers/ctx") -> Route:
    return Route(
        server=ServerId("ctx"),
        name="ctx",
        kind="http",
        transport="http",
        digest=Opaque(entry).digest(),
        entry=Ref(str(file), pointer),
        url="https://a.example/mcp",
        headers={n: Ref(str(file), f"{pointer}/headers/{n}", 2) for n in entry.get("headers", {})},
        headers_helper=Ref(str(file), f"{pointer}/headersHelper"),
    )


def test_its_headers_replace_those_of_the_entry(tmp_path: Path) -> None:
    line = """printf '{"x-key": "%s", "N": "%s"}' "$KEY" "${0##*/}" """
    entry = {"headers": {"X-Key": "old", "Other": "1"}, "headersHelper": line}
    file = tmp_path / ".claude.json"
    file.write_text(json.dumps({"mcpServers": {"ctx": entry}}))
    environ = {"PATH": os.environ["PATH"], "KEY": SECRET}
    known = Credentials(tmp_path / "state", environ)
    resolved = asyncio.run(known.complete(route_of(file, entry)))
    assert dict(resolved.headers) == {
        "Other": "1",
        "x-key": SECRET,
        "N": "sh",
    }  # not expanded by us
    assert known.resolve(route_of(file, entry)).headers == (("X-Key", "old"), ("Other", "1"))
    assert SECRET not in repr(resolved)


def test_where_it_runs_and_what_it_sees(tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    inherited = {"CLAUDE_PROJECT_DIR": "/shop", "JIRA_TOKEN": SECRET, "LANG": "C"}
    home = tmp_path / ".claude.json"
    user = command_of(route_of(home, {}), "x", "https://a", inherited)
    assert user.cwd == str(tmp_path / ".claude")
    assert user.env["JIRA_TOKEN"] == SECRET
    assert user.env["CLAUDE_CODE_MCP_SERVER_NAME"] == "ctx"
    assert user.env["CLAUDE_CODE_MCP_SERVER_URL"] == "https://a"
    local = command_of(route_of(home, {}, "/projects/~1shop/mcpServers/ctx"), "x", "", inherited)
    assert local.cwd == "/shop"
    assert local.env["JIRA_TOKEN"] == SECRET
    project = command_of(route_of(tmp_path / ".mcp.json", {}), "x", "", inherited)
    assert project.cwd == "/shop"
    assert "JIRA_TOKEN" not in project.env
    assert project.env["LANG"] == "C"
    assert SECRET not in repr(user)


def test_a_very_deep_answer() -> None:
    with pytest.raises(Missing):
        read_headers(b"[" * 200_000)


@pytest.mark.parametrize(
    "line", ["head -c 900000 /dev/zero", "exec sleep 60", "sleep 60 & exit 0", "true", "exit 1"]
)
def test_no_descriptor_is_left_open(line: str) -> None:
    async def play() -> int:
        for _ in range(3):
            with pytest.raises(Missing):
                await run(command(line), 0.2)
        return len(os.listdir("/proc/self/fd"))

    asyncio.run(play())  # what the first time opens for good, and what other tests left to collect
    gc.collect()
    open_then = [asyncio.run(play()) for _ in range(4)]  # one that is left open grows with each
    assert min(open_then[1:]) <= open_then[0]
