"""Which addresses names have had: folded bit by bit, across exchanges of the log, by a real dnsmasq."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcpconf.firewall import learned
from mcpconf.firewall.learned import addresses_to_names, fold, fold_and_rotate, known_names, merged
from mcpconf.firewall.paths import Paths
from tests.firewall_reading.recorded import recorded

ROOT = Path(__file__).parents[2]
FOLDED = {
    "api.example.com": ("45.66.77.10", "2a0b:4142::10"),
    "two.example.com": ("45.66.77.10",),
    "half.example.com": ("45.66.77.30",),
    "a.wild.example.org": ("45.66.77.40",),
    "www.example.com": ("45.66.77.21", "45.66.77.20"),
    "liar.example.com": ("45.66.77.60",),
    "db": ("172.20.0.5",),
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


def answered(number: int, name: str, address: str) -> str:
    line = f"Nov 25 19:00:00 dnsmasq[1]: {number} 127.0.0.1/5 "
    return f"{line}query[A] {name} from 127.0.0.1\n{line}reply {name} is {address}\n"


def write(path: str, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


def test_a_recorded_log(paths: Paths) -> None:
    write(paths.dns_log, recorded("dnsmasq-2.90.log"))
    assert fold(paths) == FOLDED
    assert list(fold(paths)) == list(FOLDED)  # what was answered last is last
    assert os.stat(paths.learned).st_mode & 0o777 == 0o600


def test_addresses_lead_back_to_names() -> None:
    found = addresses_to_names(FOLDED)
    assert found["45.66.77.10"] == ("api.example.com", "two.example.com")
    assert found["172.20.0.5"] == ("db",)


def test_who_only_reads_writes_nothing(paths: Paths) -> None:
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1"))
    assert known_names(paths) == {"a.test": ("45.66.77.1",)}
    assert os.listdir(paths.run) == ["dns.log"]


def test_nothing_at_all(paths: Paths) -> None:
    assert fold(paths) == {}
    assert not os.path.exists(paths.learned)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"names": 7}', '{"names": {"a": 7}, "file": 1, "read": 1}']
)
def test_a_broken_memory_is_begun_anew(paths: Paths, text: str) -> None:
    write(paths.learned, text)
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1"))
    assert fold(paths) == {"a.test": ("45.66.77.1",)}


def test_only_what_is_new_is_read(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_OVERLAP", 300)
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1") + "x" * 10_000 + "\n")
    fold(paths)
    read: list[int] = []
    monkeypatch.setattr(
        learned, "merged", lambda names, text: read.append(len(text)) or merged(names, text)
    )
    fold(paths)
    assert not read
    write(paths.dns_log, answered(2, "b.test", "45.66.77.2"))
    assert set(fold(paths)) == {"a.test", "b.test"}
    assert read[0] < 1_000


def test_an_answer_after_its_question_was_read(paths: Paths) -> None:
    question, answer = answered(1, "a.test", "45.66.77.1").splitlines(keepends=True)
    write(paths.dns_log, question)
    assert fold(paths) == {}
    write(paths.dns_log, answer[:30])
    assert fold(paths) == {}
    write(paths.dns_log, answer[30:])
    assert fold(paths) == {"a.test": ("45.66.77.1",)}


def test_a_log_that_is_exchanged(paths: Paths) -> None:
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1"))
    fold(paths)
    write(paths.dns_log, answered(2, "b.test", "45.66.77.2"))
    os.chmod(paths.dns_log, 0o640)
    fold_and_rotate(paths, largest=100)
    assert os.stat(paths.dns_log).st_size == 0
    assert os.stat(paths.dns_log).st_mode & 0o777 == 0o640
    write(f"{paths.dns_log}.1", answered(3, "late.test", "45.66.77.3"))  # before it let go
    write(paths.dns_log, answered(4, "c.test", "45.66.77.4"))
    assert set(fold(paths)) == {"a.test", "b.test", "c.test"}
    write(paths.dns_log, answered(5, "d.test", "45.66.77.5") * 3)
    fold_and_rotate(paths, largest=100)
    assert set(fold(paths)) == {"a.test", "b.test", "c.test", "d.test"}


def test_an_exchange_that_was_killed_half_way(paths: Paths) -> None:
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1"))
    fold(paths)
    write(paths.dns_log, answered(2, "b.test", "45.66.77.2"))
    assert learned._exchanged(paths.dns_log, 10)  # and then nothing more
    write(paths.dns_log, answered(3, "c.test", "45.66.77.3"))
    assert set(fold(paths)) == {"a.test", "b.test", "c.test"}


def test_small_logs_stay(paths: Paths) -> None:
    write(paths.dns_log, answered(1, "a.test", "45.66.77.1"))
    write(paths.packets, "{}\n")
    fold_and_rotate(paths)
    assert not os.path.exists(f"{paths.dns_log}.1")
    assert not os.path.exists(f"{paths.packets}.1")
    assert json.loads(Path(paths.learned).read_text())["names"] == {"a.test": ["45.66.77.1"]}


def test_packets_and_the_keepers_words_are_exchanged_too(paths: Paths) -> None:
    write(paths.packets, "{}\n" * 100)
    write(paths.keeper_log, "x\n" * 100)
    fold_and_rotate(paths, largest=200)
    assert os.path.getsize(f"{paths.packets}.1") == 300
    assert os.path.getsize(paths.packets) == os.path.getsize(paths.keeper_log) == 0


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "MOST_LEARNED", 10)
    text = "".join(answered(n, f"n{n % 4}.test", f"45.66.77.{n}") for n in range(40))
    found = merged({"old.test": ("45.66.78.1",)}, text)
    assert "old.test" not in found
    assert sum(map(len, found.values())) == 10
    text = "".join(answered(n, "one.test", f"45.66.77.{n}") for n in range(40))
    assert merged({}, text) == {"one.test": tuple(f"45.66.77.{n}" for n in range(30, 40))}


def test_only_names_are_learned() -> None:
    wild = "x is 6.6.6.6.wild.test"
    assert merged({}, answered(1, wild, "45.66.77.1")) == {}


def test_a_link_is_not_followed(paths: Paths, tmp_path: Path) -> None:
    write(str(tmp_path / "secret"), answered(1, "a.test", "45.66.77.1"))
    os.symlink(tmp_path / "secret", paths.dns_log)
    assert fold(paths) == {}


@pytest.mark.netns
def test_a_real_resolver_loses_nothing_when_its_log_is_exchanged(tmp_path: Path) -> None:
    """dnsmasq runs as another user, who may make no file where the log is (rotating.py)."""
    words = [
        "unshare",
        "-n",
        sys.executable,
        "-m",
        "tests.firewall_reading.rotating",
        str(tmp_path),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["owners"] == [told["user"]] * 2
    assert told["new log"] > 0
    assert told["names"] == sorted(f"n{number}.listed.test" for number in range(120))
