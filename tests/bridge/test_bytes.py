"""Bytes that become responses and events, messages that become requests, and what they mean."""

# ruff: noqa: ARG001, ARG002, PT012  what stands in for something has its signature

from __future__ import annotations

import json
import os
import stat
import tracemalloc
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcpconf.bridge import (
    Endpoint,
    Event,
    EventReader,
    Malformed,
    Request,
    ResponseReader,
    header_value,
    mirrored,
    parse_endpoint,
    same_origin_path,
)
from mcpconf.bridge.connection import Connection
from mcpconf.bridge.heads import Heads
from mcpconf.bridge.limits import HEAD_LIMIT, LONGEST
from mcpconf.bridge.memory import Memory
from mcpconf.bridge.text import (
    compact,
    error_line,
    is_id,
    is_sound,
    messages,
    one_line,
    parsed,
    plain,
)
from mcpconf.bridge.tools import Tools
from mcpconf.bridge.trouble import Trouble, may_have_run, said_by_gateway, unreachable
from mcpconf.bridge.verdict import Exchange, judge

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_LIST = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Sink:
    """Notes what a reader says; pieces of a body count as one."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, dict[bytes, bytes]]] = []
        self.bodies: list[bytes] = []
        self.ends = 0

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.heads.append((status, headers))
        self.bodies.append(b"")

    def body(self, piece: bytes) -> None:
        assert piece
        self.bodies[-1] += piece

    def end(self) -> None:
        self.ends += 1

    @property
    def all(self) -> object:
        return self.heads, self.bodies, self.ends


def read(*pieces: bytes, eof: bool = False) -> tuple[Sink, ResponseReader]:
    sink = Sink()
    reader = ResponseReader(sink)
    reader.expect()
    for piece in pieces:
        reader.feed(piece)
    if eof:
        reader.eof()
    return sink, reader


BODY = b'{"a":"\r\n\r\n"}'
RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "chunked": CHUNKED
    + b"5;x=y\r\n%s\r\n0%x\r\n%s\r\n0\r\nTrailer: t\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:]),
    "close": b"HTTP/1.0 200\r\nX: 1\r\nx:  2 \r\n\r\n" + BODY,
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "empty": b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
}


class TestResponses:
    @pytest.mark.parametrize("name", RESPONSES)
    def test_split_at_every_byte_it_is_the_same(self, name: str) -> None:
        text = RESPONSES[name]
        whole, reader = read(text, eof=True)
        assert whole.ends == 1
        assert whole.bodies == [b"" if name in {"empty", "204"} else BODY]
        assert reader.reusable is (name != "close")
        for cut in range(1, len(text)):
            assert read(text[:cut], text[cut:], eof=True)[0].all == whole.all
        single = read(*(text[i : i + 1] for i in range(len(text))), eof=True)[0]
        assert single.all == whole.all

    @given(
        st.lists(st.binary(min_size=1, max_size=40), max_size=6),
        st.sets(st.integers(1, 400), max_size=8),
    )
    def test_chunks_cut_anywhere(self, chunks: list[bytes], cuts: set[int]) -> None:
        text = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
        places = sorted({0, *(c for c in cuts if c < len(text)), len(text)})
        sink, reader = read(*(text[a:b] for a, b in pairwise(places)))
        assert sink.bodies == [b"".join(chunks)]
        assert sink.ends == 1
        assert reader.reusable

    @given(st.binary(max_size=200))
    @example(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    def test_nothing_but_malformed_is_raised(self, text: bytes) -> None:
        for begin in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED):
            with suppress(Malformed):
                read(begin + text, eof=True)

    @pytest.mark.parametrize(
        "text",
        [
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 2OO OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONGEST + 1),
            b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            CHUNKED + b"x\r\n",
            CHUNKED + b"-1\r\n",
            CHUNKED + b"\r\n",
            CHUNKED + b"fffffffff\r\n",
            CHUNKED + b"1\r\nab\r\n",
            CHUNKED + b"1" * (HEAD_LIMIT + 1),
            b"HTTP/1.1 200 OK\r\nA: " + b"x" * (HEAD_LIMIT + 1),
        ],
    )
    def test_what_is_odd_is_an_error(self, text: bytes) -> None:
        with pytest.raises(Malformed):
            read(text)

    def test_bytes_that_nobody_asked_for_end_the_connection(self) -> None:
        assert not read(RESPONSES["length"] + b"H")[1].reusable
        assert not read(RESPONSES["chunked"], b"HTTP/1.1 200 OK\r\n\r\n")[1].reusable

    def test_the_end_in_the_middle_is_no_end(self) -> None:
        for text in (RESPONSES["length"][:-1], RESPONSES["chunked"][:-1], b"HTTP/1.1 200"):
            sink, reader = read(text)
            assert not reader.eof()
            assert sink.ends == 0

    def test_untouched_until_the_first_byte(self) -> None:
        sink = Sink()
        reader = ResponseReader(sink)
        assert not reader.untouched
        reader.expect()
        assert reader.untouched
        reader.feed(b"H")
        assert not reader.untouched

    def test_connection_close_is_heard(self) -> None:
        text = b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n"
        assert not read(text)[1].reusable


class TestBody:
    """A body in one-byte chunks takes no more memory than its size allows."""

    def connection(self) -> tuple[Any, list[bytes]]:
        ended: list[bytes] = []

        class Receiver:
            def begun(self, connection: Any) -> None: ...
            def broken(self, connection: Any, trouble: Trouble) -> None:
                raise AssertionError(trouble.text)

            def ended(self, connection: Any) -> None:
                ended.append(connection.take_text())

        request = Request(b"", {"id": 1, "method": "x"}, 0.0)
        connection = Connection(Receiver(), Receiver(), request)
        connection.reader.expect()
        return connection, ended

    def test_many_small_pieces(self) -> None:
        connection, ended = self.connection()
        connection.data(CHUNKED)
        tracemalloc.start()
        count = 10_000
        for _ in range(count):
            connection.data(b"1\r\nx\r\n")
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used < 12 * count + 60_000
        connection.data(b"0\r\n\r\n")
        assert ended == [b"x" * count]
        assert isinstance(ended[0], bytes)

    @pytest.mark.parametrize("count", [0, 1, 2, 1023, 1024, 1025, 5000])
    def test_the_body_is_whole(self, count: int) -> None:
        connection, ended = self.connection()
        pieces = [b"%d," % number for number in range(count)]
        connection.data(CHUNKED)
        for piece in pieces:
            connection.data(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.data(b"0\r\n\r\n")
        assert ended == [b"".join(pieces)]
        assert type(ended[0]) is bytes


def events(*pieces: bytes) -> list[tuple[bytes, bytes, bytes | None, float | None]]:
    reader = EventReader()
    found: list[Event] = []
    for piece in pieces:
        found += reader.feed(piece)
    return [(e.kind, e.data, e.id, e.retry) for e in found]


STREAM = (
    b": comment\ndata: one\n\n"
    b"event: endpoint\nid: 7\ndata:two\ndata:\ndata:  three\nretry: 1500\n\n"
    b"id: \xc3\xa9\ndata\n\nid: a\0b\nretry: x\nother: y\n\n"
    b"event: gone\n\nevent:\ndata: last\n\n"
)
MEANT = [
    (b"message", b"one", None, None),
    (b"endpoint", b"two\n\n three", b"7", 1.5),
    (b"message", b"", b"\xc3\xa9", None),
    (b"message", b"last", None, None),
]


class TestEvents:
    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_split_at_every_byte_it_is_the_same(self, end: bytes) -> None:
        text = STREAM.replace(b"\n", end) + b": more"
        assert events(text) == MEANT
        for cut in range(len(text)):
            assert events(text[:cut], text[cut:]) == MEANT, cut
        assert events(*(text[i : i + 1] for i in range(len(text)))) == MEANT

    def test_line_ends_may_be_mixed(self) -> None:
        assert events(b"data: a\r\ndata: b\rdata: c\n\r\n") == [
            (b"message", b"a\nb\nc", None, None)
        ]

    @given(st.lists(st.binary(max_size=30), max_size=5))
    def test_any_bytes(self, pieces: list[bytes]) -> None:
        assert events(*pieces) == events(b"".join(pieces))

    @given(
        st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8")),
        st.sampled_from("\n\r"),
    )
    def test_any_data(self, text: str, end: str) -> None:
        assert events(f"data: {text}{end}{end}{end}".encode())[0][1] == text.encode()

    def test_a_huge_retry_is_not_believed(self) -> None:
        assert events(b"retry: " + b"9" * 5000 + b"\n\n")[0][3] == 60.0

    def test_an_event_that_never_ends_is_an_error(self) -> None:
        piece = b"x" * (1 << 20)
        reader = EventReader()
        with pytest.raises(Malformed):
            for _ in range(66):
                reader.feed(b"data: " + piece + b"\n")
        reader = EventReader()
        with pytest.raises(Malformed):
            for _ in range(66):
                reader.feed(piece)

    def test_empty_lines_of_data_that_never_end_are_an_error(self) -> None:
        reader = EventReader()
        lines = b"data:\n" * 10_000
        with pytest.raises(Malformed):
            for _ in range(LONGEST // 10_000):
                reader.feed(lines)


class TestEndpoint:
    @pytest.mark.parametrize(
        ("url", "parts"),
        [
            ("http://a/b", ("http", "a", 80, "/b", "a")),
            ("HTTPS://A.example:443", ("https", "a.example", 443, "/", "a.example")),
            ("https://a:8443/x?y#z", ("https", "a", 8443, "/x?y", "a:8443")),
            ("http://[::1]:8/m", ("http", "::1", 8, "/m", "[::1]:8")),
            ("http://a?k=v", ("http", "a", 80, "/?k=v", "a")),
            ("unix:/s.sock:/mcp", ("unix", "localhost", 80, "/mcp", "localhost")),
            ("unix:/Ada B/\u00fc.sock:/mcp", ("unix", "localhost", 80, "/mcp", "localhost")),
        ],
    )
    def test_is_read(self, url: str, parts: tuple[object, ...]) -> None:
        endpoint = parse_endpoint(url)
        found = (endpoint.scheme, endpoint.host, endpoint.port, endpoint.path, endpoint.authority)
        assert found == parts

    @pytest.mark.parametrize(
        "url",
        [
            "", "a", "ftp://a/", "http://", "http:///x", "http://u:p@a/", "http://a:0/",
            "http://a:65536/", "http://a:x/", "http://[::1/", "http://[::1]x/", "http://a b/",
            "http://a/\r\nX: y", "http://\u00e9/", "unix:", "unix:s:/m", "unix:/s", "unix:/s:m",
            "unix:/s:/m m", "unix:/s:/\u00fc", "unix:/s\n:/m",
            "http://a:\u0661/",
        ],
    )  # fmt: skip
    def test_is_refused_without_being_shown(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^[^\r\n]+$") as caught:
            parse_endpoint(url)
        assert "u:p" not in str(caught.value)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        for prefix in ("", "http://", "http://a/", "unix:/"):
            try:
                endpoint = parse_endpoint(prefix + text)
            except ValueError:
                continue
            Heads(endpoint).encode(Request(b"{}", {"id": 1, "method": "x"}, 0.0), (), Tools())

    @pytest.mark.parametrize(
        ("location", "path"),
        [
            ("/x", "/x"),
            ("x?y", "/base/x?y"),
            ("http://a:80/z", "/z"),
            ("HTTP://A/z", "/z"),
            ("//a/z", "/z"),
            ("//b/z", None),
            ("///z", None),
            ("////", None),
            ("https://a/z", None),
            ("http://a:81/z", None),
            ("http://u@a/z", None),
            ("http://a.evil/", None),
            ("/a b", None),
            ("/a\tb", None),
            ("/\u00e9", None),
            ("", None),
        ],
    )
    def test_redirects_stay_at_home(self, location: str, path: str | None) -> None:
        assert same_origin_path(parse_endpoint("http://a/base/mcp"), location) == path

    @given(st.text())
    def test_any_redirect(self, location: str) -> None:
        for url in ("http://a/mcp", "http://a/", "unix:/s:/mcp"):
            path = same_origin_path(parse_endpoint(url), location)
            assert path is None or (path.startswith("/") and path.isprintable())


def request_of(method: str = "tools/call", **params: Any) -> Request:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Request(compact(message), message, 0.0)


class TestHeads:
    def head(self, heads: Heads, request: Request, pairs: Any = (), tools: Any = None) -> str:
        return heads.encode(request, pairs, tools or Tools()).decode("latin-1")

    def test_a_message_in_a_session(self) -> None:
        heads = Heads(parse_endpoint("http://a:1/mcp"))
        heads.session, heads.version = "s", "2025-06-18"
        request = request_of()
        assert self.head(heads, request, (("K", "v"),)) == (
            "POST /mcp HTTP/1.1\r\nHost: a:1\r\nAccept: application/json, text/event-stream\r\n"
            "Accept-Encoding: identity\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\n"
            "MCP-Protocol-Version: 2025-06-18\r\nK: v\r\n"
            f"Content-Length: {len(request.line)}\r\n\r\n{request.line.decode()}"
        )

    def test_heads_follow_what_changes(self) -> None:
        heads = Heads(parse_endpoint("http://a/mcp"))
        first = self.head(heads, request_of())
        heads.session = "s"
        heads.forget()
        assert self.head(heads, request_of()) != first
        heads.move(parse_endpoint("http://b/other"))
        assert "Host: b\r\n" in self.head(heads, request_of())
        assert "K: 1\r\n" in self.head(heads, request_of(), (("K", "1"),))
        assert "K: 2\r\n" in self.head(heads, request_of(), (("K", "2"),))

    def test_initialize_names_no_session(self) -> None:
        heads = Heads(parse_endpoint("http://a/mcp"))
        heads.session, heads.version = "s", "v"
        assert "Mcp-Session-Id" not in self.head(heads, request_of("initialize"))

    def test_a_stream_that_is_taken_up(self) -> None:
        request = request_of()
        request.resuming, request.event_id = True, b"e"
        text = self.head(Heads(parse_endpoint("http://a/mcp")), request)
        assert text.startswith("GET /mcp HTTP/1.1\r\n")
        assert text.endswith("Accept-Encoding: identity\r\nLast-Event-ID: e\r\n\r\n")

    @pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "\u0100"])
    def test_no_value_can_begin_a_line(self, value: str) -> None:
        with pytest.raises(ValueError, match="characters") as caught:
            header_value(value)
        assert value not in str(caught.value)

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
    @example("=?base64?eA==?=")
    @example(" x")
    @example("x\r\nEvil: 1")
    def test_mirrored_values_are_readable_and_safe(self, value: str) -> None:
        from base64 import b64decode  # noqa: PLC0415

        shown = mirrored(value)
        assert header_value(shown).isascii()
        assert "\n" not in shown
        if shown.startswith("=?base64?") and shown.endswith("?="):
            assert b64decode(shown[9:-2]).decode() == value
        else:
            assert shown == value

    def test_arguments_are_mirrored_as_their_tool_says(self) -> None:
        tools = Tools()
        kinds = {
            "region": {"x-mcp-header": "Region"},
            "bad": {"x-mcp-header": "A\r\nB"},
            "long": {"x-mcp-header": "x" * 65},
            "odd": {"x-mcp-header": 5},
            "flag": {"x-mcp-header": "Flag"},
            "none": {"x-mcp-header": "None"},
        }
        tool = {"name": "t", "inputSchema": {"properties": kinds}}
        tools.learn(compact({"result": {"tools": [tool]}}))
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        arguments = {"region": "eu", "bad": "x", "long": "x", "odd": 1, "flag": True, "none": None}
        request = request_of("tools/call", name="t", arguments=arguments, _meta=meta)
        text = self.head(Heads(parse_endpoint("http://a/mcp")), request, tools=tools)
        shown = [line for line in text.split("\r\n") if line.startswith("Mcp-Param-")]
        assert shown == ["Mcp-Param-Region: eu", "Mcp-Param-Flag: true"]
        assert "Mcp-Method: tools/call\r\nMcp-Name: t\r\n" in text


class TestTools:
    @given(NO_LIST)
    def test_any_answer(self, value: object) -> None:
        tools = Tools()
        for shape in (value, {"result": value}, {"result": {"tools": value}}):
            tools.learn(compact({"x-mcp-header": "Hint", "result": shape}))
            tools.learn(compact({"Hint": 1, "result": {"tools": [shape, {"name": "t"}]}}))
        assert not tools.harmless

    def test_a_hint_can_be_taken_back(self) -> None:
        tools = Tools()
        for hints, harmless in (
            ({"readOnlyHint": True}, True),
            ({"readOnlyHint": "yes"}, False),
            ({"idempotentHint": True}, True),
            ({"idempotentHint": False}, False),
        ):
            tools.learn(compact({"result": {"tools": [{"name": "t", "annotations": hints}]}}))
            assert ("t" in tools.harmless) is harmless


ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'
ERROR = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"x"}}'
HTML = b"<html>please log in</html>"
NOTICE = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


class TestVerdict:
    def judge(
        self,
        status: int,
        body: bytes,
        *,
        line: bytes = b"",
        session: bool = True,
        headers: Any = None,
    ) -> Any:
        line = line or b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}'
        request = Request(line, json.loads(line), 0.0)
        endpoint = parse_endpoint("http://a/mcp")
        return judge(Exchange(request, status, headers or {}, body, endpoint, session=session))

    @pytest.mark.parametrize(
        ("status", "body", "session", "kind"),
        [
            (200, ANSWER, True, "answer"),
            (200, b' {"id":1,"jsonrpc":"2.0","result":1}', True, "answer"),
            (201, ANSWER, True, "answer"),
            (200, b"[" + ANSWER + b"]", True, "answer"),
            (200, b"[" + ANSWER + b"," + NOTICE + b"]", True, "messages"),
            (200, ANSWER.replace(b"1,", b'"1",'), True, "messages"),
            (200, ANSWER.replace(b"1,", b"2,"), True, "messages"),
            (200, NOTICE, True, "messages"),
            (200, HTML, True, "failed"),
            (200, b"", True, "failed"),
            (202, b"", True, "failed"),
            (204, b"", True, "failed"),
            (200, ANSWER[:-1], True, "failed"),
            (401, b"", True, "refused"),
            (403, ERROR, True, "refused"),
            (404, b"", True, "lost"),
            (404, ERROR, True, "lost"),
            (404, b"", False, "failed"),
            (404, ERROR, False, "answer"),
            (400, b"Bad Request: missing session ID", True, "lost"),
            (400, b"Bad Request: missing session ID", False, "failed"),
            (400, ERROR, True, "answer"),
            (400, b"", True, "failed"),
            (406, b"", True, "failed"),
            (429, b"", True, "busy"),
            (502, HTML, True, "busy"),
            (503, b"", True, "busy"),
            (500, ERROR, True, "answer"),
            (500, HTML, True, "failed"),
            (307, b"", True, "failed"),
            (304, b"", True, "failed"),
            (418, b"", True, "failed"),
        ],
    )
    def test_of_a_call(self, status: int, body: bytes, session: bool, kind: str) -> None:  # noqa: FBT001
        assert self.judge(status, body, session=session).kind == kind

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (200, ANSWER, "answer"),
            (400, HTML, "old"),
            (404, HTML, "old"),
            (405, b"", "old"),
            (400, ERROR, "answer"),
            (500, b"", "failed"),
            (401, b"", "refused"),
        ],
    )
    def test_of_initialize(self, status: int, body: bytes, kind: str) -> None:
        line = b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'
        assert self.judge(status, body, line=line).kind == kind

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (200, "accepted"), (202, "accepted"), (204, "accepted"), (400, "accepted"),
            (500, "accepted"), (404, "lost"), (401, "refused"), (503, "busy"),
        ],
    )  # fmt: skip
    def test_of_a_notification(self, status: int, kind: str) -> None:
        assert self.judge(status, b"", line=NOTICE).kind == kind

    def test_of_a_modern_call_no_session_is_lost(self) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"_meta": meta}}
        assert self.judge(404, b"", line=compact(message)).kind == "failed"
        assert self.judge(400, b"session", line=compact(message)).kind == "failed"

    def test_an_error_gets_the_id_of_its_request(self) -> None:
        verdict = self.judge(400, ERROR)
        assert json.loads(verdict.value) == {**json.loads(ERROR), "id": 1}

    def test_redirects_stay_at_home(self) -> None:
        assert self.judge(307, b"", headers={b"location": b"/x"}).value == "/x"
        assert self.judge(303, b"", headers={b"location": b"/x"}).kind == "failed"
        assert self.judge(308, b"", headers={b"location": b"//b/x"}).kind == "failed"

    def test_a_type_is_named_safely(self) -> None:
        headers = {b"content-type": b"text/html\x1b[31m; charset=x"}
        text = self.judge(200, HTML, headers=headers).value.text
        assert "text/html?[31m" in text

    @given(st.integers(200, 599), st.binary(max_size=60), st.booleans())
    def test_any_response(self, status: int, body: bytes, session: bool) -> None:  # noqa: FBT001
        for text in (body, ANSWER[:30] + body, ANSWER[:20] + body + ANSWER[20:]):
            verdict = self.judge(status, text, session=session)
            if verdict.kind == "answer":
                assert parsed(verdict.value)["id"] == 1


class TestMemory:
    LINE = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"ttlMs":60000}}'
    ASKED = "tools/list  null"

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "deep" / "s.json"

    def test_what_is_kept_is_recalled_and_never_fresh(self, path: Path) -> None:
        memory = Memory(str(path))
        assert memory.keep(self.ASKED, self.LINE)
        assert not memory.keep(self.ASKED, self.LINE)
        memory.save()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        again = Memory(str(path))
        assert self.ASKED in again
        recalled = json.loads(again.recall(self.ASKED, "x") or b"")
        assert recalled == {"jsonrpc": "2.0", "id": "x", "result": {"tools": [], "ttlMs": 0}}
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize(
        "text",
        [
            b"", b"{", b"null", b"[]", b"5", b'{"version":2,"answers":{"a":"{}"}}', b'{"version":1}',
            b'{"version":1,"answers":[]}', b'{"version":1,"answers":{"a":5}}', b"\xff\xfe",
            b'{"version":1,"answers":{"a":"[1]"}}', b'{"version":1,"answers":{"a":"\\ud800"}}',
            b"[" * 100_000, b'{"version":1,"answers":{"initialize":"{}"}}',
        ],
    )  # fmt: skip
    def test_a_damaged_file_counts_as_none(self, path: Path, text: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(text)
        memory = Memory(str(path))
        assert "a" not in memory
        assert "initialize" not in memory
        memory.keep(self.ASKED, self.LINE)
        memory.save()
        assert self.ASKED in Memory(str(path))

    def test_a_file_that_is_too_long_counts_as_none(self, path: Path) -> None:
        path.parent.mkdir()
        answers = {"a": compact({"x": "y" * (9 << 20)}).decode()}
        path.write_bytes(compact({"version": 1, "answers": answers}))
        assert "a" not in Memory(str(path))

    def test_too_much_is_not_written(self, path: Path) -> None:
        memory = Memory(str(path))
        memory.keep("a", compact({"result": {"x": "y" * (9 << 20)}}))
        memory.save()
        assert not path.exists()

    def test_who_cannot_write_has_a_slower_start_and_nothing_else(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise OSError(30, "Read-only file system")

        memory = Memory(str(path))
        memory.keep(self.ASKED, self.LINE)
        monkeypatch.setattr(os, "makedirs", refuse)
        memory.save()
        assert memory.recall(self.ASKED, 1)

    def test_nothing_is_kept_where_there_is_no_place(self) -> None:
        null = os.stat(os.devnull)
        memory = Memory("")
        memory.keep(self.ASKED, self.LINE)
        memory.save()
        assert os.stat(os.devnull) == null

    def test_errors_are_not_kept(self, path: Path) -> None:
        memory = Memory(str(path))
        assert not memory.keep(self.ASKED, ERROR)
        assert memory.recall(self.ASKED, 1) is None
        memory.keep("server/discover", self.LINE)
        memory.keep("server/discover", ERROR)
        assert "server/discover" not in memory

    def test_half_a_surrogate_is_recalled(self, path: Path) -> None:
        memory = Memory(str(path))
        memory.keep(self.ASKED, b'{"result":{"tools":[{"name":"\\ud800"}]}}')
        memory.save()
        recalled = Memory(str(path)).recall(self.ASKED, 1)
        assert json.loads(recalled or b"")["result"]["tools"][0]["name"] == "\ud800"

    def test_pages_and_eras_are_told_apart(self) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        asked = [
            request_of("tools/list"),
            request_of("tools/list", cursor="2"),
            request_of("tools/list", _meta=meta),
            request_of("prompts/list"),
        ]
        assert len({Memory.question(request) for request in asked}) == 4
        assert Memory.question(request_of("tools/call")) is None


class TestText:
    @given(NO_LIST)
    def test_compact_is_the_same_value(self, value: object) -> None:
        text = compact(value)
        assert json.loads(text) == value
        assert b"\n" not in text
        assert one_line(json.dumps(value, indent=1).encode()).count(b"\n") == 0
        assert json.loads(one_line(json.dumps(value, indent=1).encode())) == value

    def test_half_a_surrogate_can_be_written(self) -> None:
        assert json.loads(compact({"id": "\ud800"})) == {"id": "\ud800"}
        assert json.loads(error_line("\udfff", -1, "x"))["id"] == "\udfff"

    @given(st.text(), st.integers(0, 50))
    def test_plain_is_plain(self, text: str, limit: int) -> None:
        shown = plain(text, limit)
        assert shown.isascii()
        assert shown.isprintable()
        assert len(shown) <= limit + 3

    @given(st.binary(max_size=60))
    def test_any_bytes(self, text: bytes) -> None:
        assert isinstance(parsed(text), dict)
        found = messages(text)
        assert found is None or all(isinstance(m, dict) for m in found)
        assert is_sound(text) is bool(parsed(text))

    @pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000])
    def test_depth_and_length_break_nothing(self, text: bytes) -> None:
        assert parsed(text) == {}
        assert messages(text) is None

    @pytest.mark.parametrize(
        ("value", "good"),
        [
            (1, True),
            ("a", True),
            (None, True),
            (1.5, True),
            (float("inf"), False),
            (float("nan"), False),
            (10**400, True),
            (True, False),
            ([], False),
            ({}, False),
        ],
    )
    def test_ids(self, value: object, good: bool) -> None:  # noqa: FBT001
        assert is_id(value) is good


class TestTrouble:
    @given(NO_LIST)
    def test_any_data_from_a_gateway(self, value: object) -> None:
        for data in (value, {"mcpconf": value}, {"mcpconf": {"retry": value, "delivered": value}}):
            line = compact({"id": 1, "error": {"message": "m", "data": data, "mcpconf": 1}})
            trouble = said_by_gateway(line)
            assert trouble is None or not trouble.retry

    def test_only_a_proof_is_a_retry(self) -> None:
        for retry, delivered, again in (
            (True, False, True), (True, None, False), (False, False, False), (1, 0, False),
        ):  # fmt: skip
            data = {"mcpconf": {"code": "x", "retry": retry, "delivered": delivered}}
            trouble = said_by_gateway(compact({"error": {"message": "m", "data": data}}))
            assert trouble is not None
            assert trouble.retry is again

    def test_may_have_run_takes_the_proof_away(self) -> None:
        before = unreachable(Endpoint("http", "a", 1, "/"), 111)
        assert before.delivered is False
        after = may_have_run(may_have_run(before))
        assert after.delivered is None
        assert not after.retry
        assert after.text.count("may have run") == 1
