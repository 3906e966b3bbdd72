"""Requests: each text is read the same way whole, byte by byte, and with rubbish behind it."""

from __future__ import annotations

import pytest

from mcpconf.gateway.http import CHUNKED, BadRequest, Dechunker, event, parse_head

GOOD = b"POST /p/s/mcp HTTP/1.1\r\nHost: x\r\n"


def test_a_head_is_read() -> None:
    head = parse_head(GOOD + b"A: 1\r\nB:\t2 \r\na: 3\r\nContent-Length: 5")
    assert head.method == b"POST"
    assert head.target == b"/p/s/mcp"
    assert head.headers[b"a"] == b"1, 3"
    assert head.headers[b"b"] == b"2"
    assert head.length == 5
    assert head.keep_alive


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Content-Length: 1\r\nContent-Length: 1", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Content-Length: +1", 400),
        (b"Content-Length: 1_0", 400),
        (b"Content-Length: 0x1", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: \xb2", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: 67108865", 413),
        (b"Content-Length: 99999999999999999999999", 400),
        (b"A : 1", 400),
        (b" folded", 400),
        (b"A: 1\n B: 2", 400),
        (b"A: 1\rB: 2", 400),
        (b"A: \x00", 400),
        (b"A", 400),
        (b": 1", 400),
        (b"Host: y", 400),
        (b"Authorization: a\r\nAuthorization: b", 400),
        (b"\r\n".join(b"A%d: 1" % n for n in range(300)), 431),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(line: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as bad:
        parse_head(GOOD + line)
    assert bad.value.status == status


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET / HTTP/1.0", 505),
        (b"GET / HTTP/2", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET http://x/ HTTP/1.1", 400),
        (b"get / HTTP/1.1", 400),
        (b"GET /\x80 HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"", 400),
    ],
)
def test_a_strange_request_line_is_refused(first: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as bad:
        parse_head(first + b"\r\nHost: x")
    assert bad.value.status == status


def test_a_request_needs_a_host() -> None:
    with pytest.raises(BadRequest):
        parse_head(b"GET / HTTP/1.1\r\nA: 1")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_chunks_are_put_together(step: int) -> None:
    assert parse_head(GOOD + b"Transfer-Encoding: Chunked").length == CHUNKED
    text = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
    reader, buffer = Dechunker(), bytearray()
    for at in range(0, len(text), step):
        done = reader.feed(buffer := buffer + text[at : at + step])
        assert done is (at + step >= len(text))
    assert bytes(reader.body) == b"abc0123456789"
    assert not buffer


def test_what_follows_the_last_chunk_is_left_alone() -> None:
    buffer = bytearray(b"1\r\na\r\n0\r\n\r\nGET /")
    assert Dechunker().feed(buffer)
    assert buffer == b"GET /"


@pytest.mark.parametrize(
    "text",
    [b"x\r\n", b"\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1 1\r\n", b"123456789\r\n", b"1\na\r\n",
     b"1\r\nab\r\n", b"0\r\nTrailer: 1\r\n\r\n", b"4000001\r\n", b"1" * 2000],
)  # fmt: skip
def test_sloppy_chunks_are_refused(text: bytes) -> None:
    with pytest.raises(BadRequest):
        Dechunker().feed(bytearray(text + b"a" * 1100))


def test_an_event_is_one_chunk() -> None:
    size, _, rest = event(b'{"a":\r1}', b"3-4").partition(b"\r\n")
    assert rest == b'id: 3-4\nevent: message\ndata: {"a": 1}\n\n\r\n'
    assert int(size, 16) == len(rest) - 2
