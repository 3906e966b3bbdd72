"""Starting: what is in the way is said, with the way out."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from mcpconf.errors import Failure
from mcpconf.gateway.decisions import DecisionLog
from mcpconf.gateway.metrics import Tally
from mcpconf.gateway.options import Address, Options
from mcpconf.gateway.server import serve
from mcpconf.gateway.trouble import CODES, error_line, trouble
from mcpconf.model import Text


def options(tmp_path: Path, *listen: Address, servers: object = None) -> Options:
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {} if servers is None else servers}))
    return Options(tmp_path, listen, "1", config=config, token=Text("t" * 43))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::0"])
def test_it_does_not_listen_everywhere(tmp_path: Path, host: str) -> None:
    with pytest.raises(Failure, match="every network"):
        serve(options(tmp_path, Address(host, 0)))


def test_a_busy_port_names_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(Failure, match=r"is in use by") as failure:
            serve(options(tmp_path, Address("127.0.0.1", sock.getsockname()[1])))
        assert "mcpconf.toml and run `mcpconf sync`" in failure.value.help


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="not an address of this machine"):
        serve(options(tmp_path, Address("192.0.2.1", 0)))


def test_a_broken_file(tmp_path: Path) -> None:
    asked = options(tmp_path, Address("127.0.0.1", 0), servers=[])
    with pytest.raises(Failure, match="not an object"):
        serve(asked)


def test_a_socket_that_cannot_be_made(tmp_path: Path) -> None:
    asked = options(tmp_path, Address("127.0.0.1", 0))._replace(socket=tmp_path / "none/x.sock")
    with pytest.raises(Failure, match="cannot be listened on"):
        serve(asked)


def test_every_trouble_has_words_for_people() -> None:
    for code in CODES:
        line = json.loads(error_line("na\x1bme", "id", b'"7"', trouble(code)))
        assert line["id"] == "7"
        assert "mcpconf explain" in line["error"]["message"]
        assert "\x1b" not in line["error"]["message"]
        assert line["error"]["data"]["mcpconf"]["code"] == code


def test_the_decision_log_turns_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpconf.gateway.decisions._LARGEST", 500)
    monkeypatch.setattr("mcpconf.gateway.decisions._PER_SECOND", 10_000)
    log = DecisionLog(tmp_path / "decisions.jsonl")
    for number in range(200):
        log.write("refused", number=number, host="\x1b[31m\u202eevil\n" * 100)
    log.close()
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == ["decisions.jsonl"] + [f"decisions.jsonl.{n}" for n in range(1, 5)]
    for path in tmp_path.iterdir():
        text = path.read_bytes()
        assert text.isascii()
        assert path.stat().st_mode & 0o777 == 0o600
        assert all(json.loads(line)["event"] == "refused" for line in text.splitlines())


def test_a_flood_is_counted_not_written(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "d")
    for _ in range(5000):
        log.write("refused")
    log._second = -1
    log.write("refused")
    log.close()
    rows = [json.loads(line) for line in (tmp_path / "d").read_text().splitlines()]
    assert len(rows) <= 202
    assert sum(row.get("left_out", 0) for row in rows) + len(rows) >= 5001


def test_a_log_that_cannot_be_written_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = DecisionLog(tmp_path / "none" / "d")
    log.write("refused")
    assert "cannot be written" in capsys.readouterr().err


def test_latency_percentiles() -> None:
    tally = Tally()
    assert tally.latency() is None
    for number in range(1, 101):
        tally.took(number / 1000)
    assert tally.latency() == {"p50": 50.0, "p95": 95.0, "max": 100.0}


def test_no_event_loop_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(Failure):
        serve(options(tmp_path, Address("0.0.0.0", 0)))
    asyncio.run(asyncio.sleep(0))
