"""A stream goes on behind the event that the client has seen last."""

from __future__ import annotations

import pytest

from mcpconf.gateway.stream import Archive, Stream, parse_event_id


class Wire:
    def __init__(self) -> None:
        self.got: list[tuple[bytes, bytes]] = []
        self.ended = False

    def open_stream(self, fields: str) -> None: ...

    def send_event(self, line: bytes, number: bytes) -> None:
        self.got.append((number, line))

    def end_stream(self) -> None:
        self.ended = True


def attached(stream: Stream, seen: int = 0) -> Wire:
    wire = Wire()
    stream.attach(wire, seen)
    return wire


def test_what_was_missed_comes_first_then_the_rest() -> None:
    stream = Stream(Archive(), 3)
    first = attached(stream)
    stream.send(b"a")
    stream.wire = None
    stream.send(b"b")
    second = attached(stream, 1)
    stream.send(b"c")
    stream.finish()
    assert first.got == [(b"3-1", b"a")]
    assert second.got == [(b"3-2", b"b"), (b"3-3", b"c")]
    assert second.ended


def test_a_finished_stream_can_be_read_again() -> None:
    stream = Stream(Archive(), 1)
    stream.send(b"answer")
    stream.finish()
    wire = attached(stream)
    assert wire.got == [(b"1-1", b"answer")]
    assert wire.ended


def test_one_stream_keeps_its_newest_event_and_little_more() -> None:
    stream = Stream(Archive(), 1)
    for _ in range(5):
        stream.send(b"x" * 200_000)
    assert [n for n, _ in attached(stream).got] == [b"1-5"]


def test_all_streams_together_are_bounded() -> None:
    archive = Archive(limit=1000)
    old, new = Stream(archive, 1), Stream(archive, 2)
    old.send(b"x" * 600)
    new.send(b"y" * 600)
    assert attached(old).got == []
    assert len(attached(new).got) == 1


@pytest.mark.parametrize(
    "text", [b"", b"1", b"1-", b"-1", b"a-1", b"1-1-1", b"1" * 50 + b"-1", b"+1-1"]
)
def test_foreign_event_ids(text: bytes) -> None:
    assert parse_event_id(text) is None


def test_an_event_id() -> None:
    assert parse_event_id(b"12-34") == (12, 34)
