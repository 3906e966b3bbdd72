"""Single tries: how each end is told, with real sockets on loopback."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpconf.firewall import probes
from mcpconf.firewall.probes import (
    LATE,
    OPEN,
    REFUSED,
    SILENT,
    DnsReply,
    Tries,
    apart,
    ask,
    say,
    tls_hello,
    try_tcp,
    try_udp,
)
from tests import clock

HERE = "127.0.0.1"


@pytest.fixture
def closed() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((HERE, 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HERE, 0)) as sock:
        yield sock


def test_tcp(closed: int, listener: socket.socket) -> None:
    assert try_tcp(HERE, closed) == REFUSED
    assert try_tcp(HERE, listener.getsockname()[1]) == OPEN


def test_a_refusal_that_comes_later_is_not_ours(
    closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """Nothing at first."""

        def __init__(self) -> None:
            self.answers: list[list[int]] = [[], [1]]

        def register(self, *_: object) -> None:
            pass

        def poll(self, _: float) -> list[int]:
            return self.answers.pop(0)

    monkeypatch.setattr(probes.select, "poll", Slow)
    assert try_tcp(HERE, closed) == LATE


def test_udp(closed: int) -> None:
    assert try_udp(HERE, closed) == LATE  # it left, and the far end refused it
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        assert try_udp(HERE, sock.getsockname()[1], 0.05) == SILENT


def test_a_name_is_said_in_tls_and_in_http(listener: socket.socket) -> None:
    assert b"\x00\x0elisted.example" in tls_hello("listed.example")
    heard: list[bytes] = []

    def answer() -> None:
        client, _ = listener.accept()
        with client:
            heard.append(client.recv(1000))
            client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    said = say(HERE, listener.getsockname()[1], "listed.example")
    thread.join()
    assert said.startswith("answer:HTTP/1.1 403")
    assert b"\r\nHost: listed.example\r\n" in heard[0]


def answered_by(answer: bytes) -> DnsReply | None:
    """Ask a resolver that says this."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))

        def serve() -> None:
            query, asker = sock.recvfrom(512)
            sock.sendto(b"xx" + answer, asker)  # to another question
            sock.sendto(query[:2] + answer, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        reply = ask(HERE, "a.test", "A", sock.getsockname()[1], 1.0)
        thread.join()
        return reply


QUESTION = b"\1a\4test\0\0\1\0\1"


def test_answers() -> None:
    a = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xc6\x12\0\1"
    aaaa = b"\xc0\x0c\0\x1c\0\1\0\0\0\0\0\x10" + socket.inet_pton(socket.AF_INET6, "100::1")
    found = answered_by(b"\x81\x80\0\1\0\2\0\0\0\0" + QUESTION + a + aaaa)
    assert found == DnsReply(0, 2, ("198.18.0.1", "100::1"))
    assert answered_by(b"\x81\x85\0\1\0\0\0\0\0\0" + QUESTION) == DnsReply(5, 0, ())
    assert answered_by(b"\x81\x83\0\1\0\0\0\1\0\0" + QUESTION) == DnsReply(3, 1, ())


@pytest.mark.parametrize(
    "answer", [b"", b"\x81\x80\0\1\0\2", b"\x81\x80\0\1\0\x09\0\0\0\0" + QUESTION]
)
def test_broken_answers(answer: bytes) -> None:
    assert answered_by(answer) == DnsReply(-1, 0, ())


def test_nobody_answers(closed: int) -> None:
    assert ask(HERE, "a.test", "A", closed, 0.2) is None


def test_jobs_run_apart_as_another_user_and_not_for_ever() -> None:
    began = clock.now()
    words = apart(
        [
            lambda: f"{os.getuid()}:{os.getgid()}:{os.getgroups()}",
            lambda: str(time.sleep(60)),
            lambda: str(1 / 0),
        ],
        65534,
        1.0,
    )
    expected = "65534:65534:[]" if os.geteuid() == 0 else f"{os.getuid()}:{os.getgid()}:"
    assert words[0].startswith(expected)
    assert words[1:] == ["", ""]
    assert clock.now() - began < 3


def test_tries_are_told_apart_once(tmp_path: Path) -> None:
    began = time.time()
    Tries(str(tmp_path)).write(began, 1000, [("169.254.169.254", 80)])
    mine = Tries(str(tmp_path))
    assert not mine.has(began + 0.1, 33, "169.254.169.254", 80)
    assert not mine.has(began - 1, 1000, "169.254.169.254", 80)
    assert not mine.has(began + 9, 1000, "169.254.169.254", 80)
    assert not mine.has(began + 0.1, 1000, "169.254.169.254", 443)
    assert mine.has(began + 0.1, 1000, "169.254.169.254", 80)
    assert not mine.has(began + 0.1, 1000, "169.254.169.254", 80)  # the second is another's
    (tmp_path / "verified.json").write_text("[")
    assert not mine.has(began + 0.1, 1000, "169.254.169.254", 80)
