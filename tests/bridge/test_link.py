"""A link and what it survives, on paper: no sockets, no clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcpconf.bridge import Trouble

from .paper import REFUSED, Asked, Wire, World, line


@pytest.fixture
def world() -> World:
    world = World()
    world.begin()
    return world


def silence(asked: Asked) -> None:
    """Say nothing."""


def lose_sessions(world: World) -> None:
    """Restart the server: it knows no session any more."""
    world.sessions += 1


class TestOnce:
    """A call is sent twice only if the first is proven not to have done anything."""

    def test_a_cut_without_proof_fails_honestly(self, world: World) -> None:
        world.rules["tools/call"] = lambda asked: asked.wire.cut()
        world.call()
        world.pass_time(60)
        assert world.times("tools/call") == 1
        ((identity, trouble),) = world.failures
        assert identity == 7
        assert "may have run" in trouble.text
        assert trouble.delivered is not False
        world.assert_clean()

    def test_a_cut_with_proof_is_sent_again(self, world: World) -> None:
        cuts = []

        def once(asked: Asked) -> None:
            if not cuts:
                cuts.append(1)
                asked.wire.cut(proof=True)
            else:
                asked.result()

        world.rules["tools/call"] = once
        world.call()
        world.pass_time(5)
        assert world.said == [(7, "answer")]
        assert world.times("tools/call") == 2

    def test_a_proof_counts_nothing_once_an_answer_has_begun(self, world: World) -> None:
        def half(asked: Asked) -> None:
            asked.wire.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
            asked.wire.cut(proof=True)

        world.rules["tools/call"] = half
        world.call()
        world.pass_time(60)
        assert world.times("tools/call") == 1
        assert world.said == [(7, "unreachable")]

    @pytest.mark.parametrize("hint", ["readOnlyHint", "idempotentHint"])
    def test_a_harmless_tool_is_called_again(self, world: World, hint: str) -> None:
        tools = [{"name": "look", "annotations": {hint: True}}, {"name": "pay"}]
        world.rules["tools/list"] = lambda asked: asked.result({"tools": tools})
        world.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        world.settle()
        world.rules["tools/call"] = lambda asked: asked.wire.cut()
        world.call(2, "look")
        world.call(3, "pay")
        world.pass_time(2)
        del world.rules["tools/call"]
        world.pass_time(5)
        assert world.said == [(1, "answer"), (2, "answer"), (3, "unreachable")]

    def test_an_event_stream_without_ids_is_not_asked_again(self, world: World) -> None:
        def cut(asked: Asked) -> None:
            asked.begin_stream()
            asked.event(b'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n')
            asked.wire.cut(proof=True)

        world.rules["tools/call"] = cut
        world.call()
        world.pass_time(60)
        assert world.times("tools/call") == 1
        assert world.said == [(7, "protocol")]
        assert len(world.told) == 1

    def test_every_reply_comes_once_though_the_server_says_it_twice(self, world: World) -> None:
        answer = line({"jsonrpc": "2.0", "id": 7, "result": {}})
        streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            streams.append(asked)
            asked.begin_stream()

        world.rules["GET"] = listen
        lose_sessions(world)
        world.call(6)
        world.pass_time(1)
        world.rules["tools/call"] = silence
        world.call(7)
        world.settle()
        streams[-1].event(b"data: %s\n\n" % answer)
        world.asked[-1].result()
        world.pass_time(1)
        assert world.said == [(6, "answer"), (7, "answer")]

    def test_answers_to_ids_never_asked_go_nowhere(self, world: World) -> None:
        def odd(asked: Asked) -> None:
            asked.begin_stream()
            for identity in ('{"a":1}', "[7]", "null", "true", '"7"', "8", "7.5"):
                asked.event(b'data: {"jsonrpc":"2.0","id":%s,"result":{}}\n\n' % identity.encode())
            asked.event(b'data: {"jsonrpc":"2.0","id":7,"result":{"yes":1}}\n\n')
            asked.end_stream()

        world.rules["tools/call"] = odd
        world.call()
        world.pass_time(1)
        assert [a["result"] for a in world.answers] == [{"yes": 1}]
        world.assert_clean()


class TestUnreadable:
    """What a hostile server says ends one request and nothing else."""

    @pytest.mark.parametrize(
        "text",
        [
            b'{"jsonrpc":"2.0","id":07,"result":{}}',
            b'{"jsonrpc":"2.0","id":"\\q","result":{}}',
            b'{"jsonrpc":"2.0","id":"\t","result":{}}',
            b'{"jsonrpc":"2.0","id":"\xff","result":{}}',
            b'{"jsonrpc":"2.0","id":"\\ud800","result":{}}',
            b"[" * 100_000,
            b'{"jsonrpc":"2.0","id":7,"result":"x"',
            b'[{"jsonrpc":"2.0","id":"\\ud800","result":{}}]',
            b"<html>login</html>",
            b"[]",
            b"\xff\xfe",
            b"1" * 5000,
        ],
    )
    @pytest.mark.parametrize("tail", [b"", b" " * 70_000])
    @pytest.mark.parametrize("streamed", [False, True])
    def test_as_an_answer(self, world: World, text: bytes, tail: bytes, streamed: bool) -> None:  # noqa: FBT001
        def odd(asked: Asked) -> None:
            if not streamed:
                asked.say(200, text + tail, "Content-Type: application/json\r\n")
                return
            asked.begin_stream()
            asked.event(b"data: " + text + tail + b"\n\n")
            asked.end_stream()

        world.rules["tools/call"] = odd
        world.call()
        world.settle()
        assert [identity for identity, _ in world.said] == [7]
        assert world.failures
        world.assert_clean()

    @pytest.mark.parametrize(
        "text",
        [
            b'{"jsonrpc":"2.0","id":7,"result":{"x":NaN}}',
            b'{"jsonrpc":"2.0","id":7,"result":{"x":-Infinity}}',
            '{"jsonrpc":"2.0","id":7,"result":{}}'.encode("utf-16"),
            b'{"jsonrpc":"2.0","id":7,"result":"\xff"}',
        ],
    )
    def test_as_json(self, world: World, text: bytes) -> None:
        """Python reads it, and the client could not."""
        world.rules["tools/call"] = lambda asked: asked.say(200, text)
        world.call()
        world.settle()
        assert world.said == [(7, "not-mcp")]

    def test_a_batch_in_one_event_loses_nothing(self, world: World) -> None:
        def batch(asked: Asked) -> None:
            asked.begin_stream()
            notice = {"jsonrpc": "2.0", "method": "notifications/message"}
            answer = {"jsonrpc": "2.0", "id": 7, "result": {}}
            asked.event(b"data: " + line([notice, answer]) + b"\n\n")
            asked.end_stream()

        world.rules["tools/call"] = batch
        world.call()
        world.settle()
        assert world.said == [(7, "answer")]
        assert len(world.told) == 1

    @pytest.mark.parametrize(
        "location", ["//evil.invalid/x", "///x", "http://evil.invalid/mcp", "", "/a b", "https:/"]
    )
    def test_a_redirect_to_nowhere(self, world: World, location: str) -> None:
        world.rules["tools/call"] = lambda a: a.say(307, b"", f"Location: {location}\r\n")
        world.call()
        world.settle()
        assert world.said == [(7, "redirected")]

    def test_a_circle_of_redirects_ends(self, world: World) -> None:
        world.rules["tools/call"] = lambda a: a.say(307, b"", f"Location: {a.path}x\r\n")
        world.call()
        world.settle()
        assert world.said == [(7, "redirected")]
        assert world.times("tools/call") <= 6

    @pytest.mark.parametrize(
        "head",
        [
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000,
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        ],
    )
    def test_as_http(self, world: World, head: bytes) -> None:
        world.rules["tools/call"] = lambda asked: asked.wire.feed(head)
        world.call()
        world.pass_time(60)
        assert [identity for identity, _ in world.said] == [7]
        assert world.times("tools/call") == 1
        del world.rules["tools/call"]
        world.call(8)
        world.settle()
        assert world.said[0] == (8, "answer")
        world.assert_clean()

    def test_a_second_response_is_not_taken_for_the_next_request(self, world: World) -> None:
        answer = b'{"jsonrpc":"2.0","id":7,"result":{}}'
        once = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
        world.rules["tools/call"] = lambda asked: asked.wire.feed(once + once)
        real = world.answered

        def more(request: Any, text: bytes) -> None:
            real(request, text)
            if request.id == 7:
                del world.rules["tools/call"]
                world.call(8)

        world.answered = more
        world.call(7)
        world.settle()
        assert world.said == [(7, "answer"), (8, "answer")]


class TestSessions:
    def test_a_lost_session_is_begun_anew_and_told_what_it_must_know(self, world: World) -> None:
        for number, method, params in (
            (1, "resources/subscribe", {"uri": "a:1"}),
            (2, "resources/subscribe", {"uri": "a:2"}),
            (3, "resources/unsubscribe", {"uri": "a:1"}),
            (4, "logging/setLevel", {"level": "debug"}),
        ):
            world.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        world.settle()
        world.answers.clear()
        lose_sessions(world)
        before = len(world.asked)
        world.call(9)
        world.pass_time(5)
        methods = [asked.method for asked in world.asked[before:]]
        assert methods[:3] == ["tools/call", "initialize", "notifications/initialized"]
        assert sorted(methods[3:]) == [
            "GET", "logging/setLevel", "resources/subscribe", "tools/call",
        ]  # fmt: skip
        (again,) = [a for a in world.asked[before:] if a.method == "resources/subscribe"]
        assert again.message["params"] == {"uri": "a:2"}
        assert world.said == [(9, "answer")]
        assert world.reopenings == 1
        world.assert_clean()

    def test_the_session_and_its_version_stand_in_every_head(self, world: World) -> None:
        world.call()
        world.settle()
        asked = world.asked[-1]
        assert asked.session == "s1"
        assert asked.headers["mcp-protocol-version"] == "2025-11-25"
        assert "mcp-session-id" not in world.asked[0].headers

    def test_many_calls_lose_one_session_together(self, world: World) -> None:
        held: list[Asked] = []
        world.rules["tools/call"] = held.append
        for number in range(20):
            world.call(number + 100)
        world.settle()
        del world.rules["tools/call"]
        lose_sessions(world)
        for asked in held[:10]:
            asked.say(404)
        world.pass_time(1)
        assert world.times("initialize") == 2
        for asked in held[10:]:  # they come when the new session is there already
            asked.say(404)
        world.pass_time(1)
        assert world.times("initialize") == 2
        assert sorted(i for i, _ in world.said) == list(range(100, 120))
        assert not world.failures
        world.assert_clean()

    def test_after_a_long_absence_the_session_is_lost_as_well(self, world: World) -> None:
        """Attempts to connect are no lost sessions."""
        for wire in world.wires:
            wire.cut()
        world.down = REFUSED
        world.call()
        world.pass_time(20)
        lose_sessions(world)
        world.down = None
        world.pass_time(5)
        assert world.said == [(7, "answer")]

    def test_a_server_that_loses_every_session_is_not_asked_for_ever(self, world: World) -> None:
        world.rules["tools/call"] = lambda asked: asked.say(404)
        world.call()
        world.pass_time(60)
        assert world.said == [(7, "session-lost")]
        assert world.times("initialize") < 20
        world.assert_clean()

    def test_a_server_without_a_stream_that_says_404(self) -> None:
        """Express says 404 for a method that no route has: the session is not lost."""
        world = World()
        world.rules["GET"] = lambda asked: asked.say(404)
        world.begin()
        world.pass_time(600, most=40)
        assert world.times("initialize") == 1
        assert world.times("GET") <= 3

    def test_a_server_that_says_404_to_the_greeting(self) -> None:
        world = World()
        world.rules["notifications/initialized"] = lambda asked: asked.say(404)
        world.begin()
        world.call()
        world.pass_time(60, most=60)
        assert world.said == [(7, "answer")]

    def test_a_stream_that_is_404_after_it_flowed_is_a_lost_session(self) -> None:
        world = World()
        streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            streams.append(asked)
            if asked.session == f"s{world.sessions}":
                asked.begin_stream()
            else:
                asked.say(404)

        world.rules["GET"] = listen
        world.begin()
        world.pass_time(10)
        lose_sessions(world)
        streams[-1].wire.cut()
        world.pass_time(30)
        assert world.times("initialize") == 2
        assert world.reopenings == 1
        assert streams[-1].session == f"s{world.sessions}"

    def test_initialize_again_begins_a_session_with_a_stream_of_its_own(self) -> None:
        world = World()
        world.rules["GET"] = lambda asked: asked.begin_stream()
        world.begin()
        world.begin()
        streams = [a for a in world.asked if a.verb == "GET"]
        assert [a.session for a in streams] == ["s1", "s2"]
        assert streams[0].wire.closed

    def test_who_waits_for_a_session_is_told_in_time(self) -> None:
        world = World(patience=10.0)
        world.rules["initialize"] = silence
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        request = world.call()
        request.deadline = world.clock + 3
        world.pass_time(4)
        assert world.said == [(7, "timeout")]
        assert world.failures[0][1].delivered is False

    def test_initialize_cannot_be_cancelled(self, world: World) -> None:
        """MCP 2025-11-25, Cancellation: and the session would never begin."""
        world = World()
        world.rules["initialize"] = silence
        world.rules["tools/call"] = lambda asked: asked.result()
        request = world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.settle()
        world.link.abandon(request)
        world.asked[-1].result({"protocolVersion": "2025-11-25"})
        world.call()
        world.pass_time(1)
        assert (7, "answer") in world.said

    def test_somebody_who_waits_hurries(self) -> None:
        world = World()
        world.down = REFUSED
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(9.5)
        world.down = None
        world.call()
        world.settle()
        assert (0, "answer") in world.said
        assert (7, "answer") in world.said


class TestPatience:
    def test_a_late_server_is_waited_for(self) -> None:
        world = World()
        world.down = REFUSED
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(20)
        assert world.said == []
        world.down = None
        world.pass_time(2)
        assert world.said == [(0, "answer")]

    def test_patience_ends(self, world: World) -> None:
        for wire in world.wires:
            wire.cut()
        world.down = REFUSED
        world.call()
        world.pass_time(29)
        assert world.said == []
        world.pass_time(3)
        assert world.said == [(7, "unreachable")]
        assert world.failures[0][1].delivered is False
        world.assert_clean()

    @pytest.mark.parametrize("status", [429, 502, 503])
    def test_a_busy_server_is_asked_again(self, world: World, status: int) -> None:
        world.rules["tools/list"] = lambda asked: asked.say(status, b"", "Retry-After: 3\r\n")
        world.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        world.pass_time(2.9)
        assert world.times("tools/list") == 1
        del world.rules["tools/list"]
        world.pass_time(0.2)
        assert world.said == [(1, "answer")]

    def test_a_huge_retry_after_is_not_believed(self, world: World) -> None:
        world.rules["tools/list"] = lambda a: a.say(503, b"", f"Retry-After: {'9' * 400}\r\n")
        world.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        world.pass_time(1)
        del world.rules["tools/list"]
        world.pass_time(5)
        assert world.said == [(1, "answer")]

    def test_a_gateway_that_says_nothing_was_done_is_asked_again(self, world: World) -> None:
        data = {"mcpconf": {"code": "unreachable", "retry": True, "delivered": False}}

        def late(asked: Asked) -> None:
            error = {"code": -32000, "message": "x: late", "data": data}
            asked.say(200, line({"jsonrpc": "2.0", "id": 7, "error": error}))

        world.rules["tools/call"] = late
        world.call()
        world.pass_time(3)
        assert world.said == []
        del world.rules["tools/call"]
        world.pass_time(2)
        assert world.said == [(7, "answer")]

    @pytest.mark.parametrize("delivered", [None, True])
    def test_a_gateway_that_does_not_know_is_not(self, world: World, delivered: object) -> None:
        data = {"mcpconf": {"code": "unreachable", "retry": True, "delivered": delivered}}

        def late(asked: Asked) -> None:
            error = {"code": -32000, "message": "x: late", "data": data}
            asked.say(200, line({"jsonrpc": "2.0", "id": 7, "error": error}))

        world.rules["tools/call"] = late
        world.call()
        world.pass_time(30)
        assert world.times("tools/call") == 1
        assert len(world.answers) == 1


class TestCancelled:
    def test_a_retry_of_a_cancelled_request_leaves_nothing(self, world: World) -> None:
        world.rules["tools/list"] = lambda asked: asked.say(503)
        request = world.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        world.settle()
        request.cancelled = True  # as the bridge does for one that was sent
        world.pass_time(5)
        assert world.said == []
        assert world.times("tools/list") == 1
        world.assert_clean()

    def test_a_cut_after_a_cancellation_leaves_nothing(self, world: World) -> None:
        world.rules["tools/call"] = silence
        request = world.call()
        world.settle()
        request.cancelled = True
        world.asked[-1].wire.cut()
        assert world.said == []
        world.assert_clean()

    def test_abandon_tells_a_server_that_has_it(self, world: World) -> None:
        world.rules["tools/call"] = silence
        request = world.call()
        world.settle()
        world.link.abandon(request)
        world.settle()
        assert world.asked[-1].method == "notifications/cancelled"
        assert world.asked[-1].message["params"]["requestId"] == 7
        assert world.asked[-2].wire.closed
        world.assert_clean()

    def test_abandon_before_it_is_sent_tells_nobody(self) -> None:
        world = World()
        world.rules["initialize"] = silence
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        request = world.call()
        world.link.abandon(request)
        world.pass_time(1)
        assert world.times("tools/call") == world.times("notifications/cancelled") == 0


class TestStreams:
    def stream(self, world: World, *, number: bytes = b"e1") -> Asked:
        def begin(asked: Asked) -> None:
            asked.begin_stream()
            asked.event(b"id: %s\nretry: 100\ndata:\n\n" % number)

        world.rules["tools/call"] = begin
        world.call()
        world.settle()
        return world.asked[-1]

    def test_a_call_is_taken_up_where_its_stream_was_cut(self, world: World) -> None:
        asked = self.stream(world)

        def resume(asked: Asked) -> None:
            assert asked.headers["last-event-id"] == "e1"
            asked.begin_stream()
            asked.event(b'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n')

        world.rules["GET"] = resume
        asked.wire.cut()
        world.pass_time(3)
        assert world.said == [(7, "answer")]
        assert world.times("tools/call") == 1
        world.assert_clean()

    def test_taking_up_survives_a_server_that_is_away(self, world: World) -> None:
        asked = self.stream(world)
        world.down = REFUSED
        asked.wire.cut()
        world.pass_time(5)
        world.down = None
        cuts = []

        def resume(asked: Asked) -> None:
            if not cuts:
                cuts.append(1)
                asked.wire.cut()  # before a head came: asking again harms nobody
            else:
                asked.begin_stream()
                asked.event(b'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n')

        world.rules["GET"] = resume
        world.pass_time(5)
        assert world.said == [(7, "answer")]

    def test_a_call_that_was_delivered_is_never_called_undelivered(self, world: World) -> None:
        """A bridge before this gateway would send it again."""
        asked = self.stream(world)
        world.down = REFUSED
        asked.wire.cut()
        world.pass_time(120)
        ((_, trouble),) = world.failures
        assert trouble.delivered is not False
        assert "may have run" in trouble.text

    def test_a_stream_that_only_ends_is_not_taken_up_for_ever(self, world: World) -> None:
        asked = self.stream(world)

        def empty(asked: Asked) -> None:
            asked.begin_stream()
            asked.end_stream()

        world.rules["GET"] = empty
        asked.end_stream()
        world.pass_time(300, most=1000)
        assert [identity for identity, _ in world.said] == [7]
        assert "may have run" in world.failures[0][1].text

    def test_a_stream_that_moves_on_is_taken_up_for_hours(self, world: World) -> None:
        """Polling (MCP 2025-11-25): the server ends the stream, and gives a new id each time."""
        asked = self.stream(world)
        numbers = iter(range(100_000))

        def poll(asked: Asked) -> None:
            asked.begin_stream()
            asked.event(b"id: n%d\nretry: 5000\ndata:\n\n" % next(numbers))
            asked.end_stream()

        world.rules["GET"] = poll
        asked.end_stream()
        world.pass_time(3600, most=5000)
        assert world.said == []
        world.rules["GET"] = lambda asked: (
            asked.begin_stream(),
            asked.event(b'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n'),
        )
        world.pass_time(10, most=5000)
        assert world.said == [(7, "answer")]

    def test_the_own_stream_goes_on_where_it_was_cut(self) -> None:
        world = World()
        streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            streams.append(asked)
            asked.begin_stream()
            asked.event(b"id: g%d\ndata:\n\n" % len(streams))

        world.rules["GET"] = listen
        world.begin()
        world.call()  # so that there is an idle connection
        world.settle()
        streams[0].wire.cut()
        world.pass_time(2)
        assert [a.headers.get("last-event-id") for a in streams] == [None, "g1"]

    def test_an_old_id_is_not_taken_into_a_new_session(self) -> None:
        world = World()
        streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            streams.append(asked)
            asked.begin_stream()
            if len(streams) == 1:
                asked.event(b"id: old\ndata:\n\n")

        world.rules["GET"] = listen
        world.begin()
        streams[0].wire.cut()
        lose_sessions(world)
        world.call()
        world.pass_time(20)
        assert world.said == [(7, "answer")]
        streams[-1].wire.cut()
        world.pass_time(20)
        assert all(a.headers.get("last-event-id") is None for a in streams if a.session != "s1")

    def test_a_stream_that_ends_at_once_is_opened_ever_more_slowly(self) -> None:
        world = World()

        def empty(asked: Asked) -> None:
            asked.begin_stream()
            asked.end_stream()

        world.rules["GET"] = empty
        world.begin()
        world.pass_time(300)
        assert 5 < world.times("GET") < 60

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_stream_that_cannot_be_had_now_is_asked_for_later(self, status: int) -> None:
        world = World()
        world.rules["GET"] = lambda asked: asked.say(status)
        world.begin()
        world.rules["GET"] = lambda asked: asked.begin_stream()
        world.pass_time(20)
        assert world.times("GET") == 2

    def test_streams_that_never_end_do_not_use_up_the_connections(self, world: World) -> None:
        def forever(asked: Asked) -> None:
            asked.begin_stream()
            answer = line({"jsonrpc": "2.0", "id": asked.message["id"], "result": {}})
            asked.event(b"data: %s\n\n" % answer)

        world.rules["tools/call"] = forever
        for number in range(400):
            world.call(number + 10)
            world.pass_time(0.01, most=2000)
        assert len(world.answers) == 400
        assert sum(not wire.closed for wire in world.wires) < 200

    def test_a_message_after_the_link_closed_goes_nowhere(self, world: World) -> None:
        notice = b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n'
        real = world.deliver

        def close(text: bytes, request: Any) -> None:
            real(text, request)
            world.link.close()

        world.deliver = close

        def two(asked: Asked) -> None:
            asked.begin_stream()
            asked.event(notice * 2)

        world.rules["tools/call"] = two
        world.call()
        world.settle()
        assert len(world.told) == 1


class TestOwner:
    """What the owner does within its own callbacks harms nobody."""

    def test_sends_in_answered(self, world: World) -> None:
        real = world.answered

        def more(request: Any, text: bytes) -> None:
            real(request, text)
            if request.id < 200:
                world.call(request.id + 1)

        world.answered = more
        world.call(100)
        world.pass_time(1)
        assert world.said == [(n, "answer") for n in range(100, 201)]
        world.assert_clean()

    def test_abandons_all_in_failed(self, world: World) -> None:
        def stop(request: Any, trouble: Trouble) -> None:
            World.failed(world, request, trouble)
            for other in world.link.unanswered():
                world.link.abandon(other)

        world.failed = stop
        world.rules["tools/call"] = lambda asked: asked.wire.cut()
        for number in (10, 11, 12):
            world.call(number)
        world.pass_time(60)
        assert world.said[0] == (10, "unreachable")
        world.assert_clean()

    def test_closes_in_answered(self, world: World) -> None:
        def stop(request: Any, text: bytes) -> None:
            World.answered(world, request, text)
            world.link.close()

        world.answered = stop
        world.call()
        world.call(8)
        world.pass_time(60)
        assert world.said == [(7, "answer")]
        world.assert_clean()

    def test_signs_in_and_sends_again(self, world: World) -> None:
        world.rules["tools/call"] = lambda asked: asked.say(401)
        kept: list[Any] = []
        world.on_refused = lambda request: kept.append(request) or True
        world.call()
        world.settle()
        assert world.said == []
        del world.rules["tools/call"]
        world.pairs = (("Authorization", "Bearer new"),)
        world.link.again(kept[0])
        world.settle()
        assert world.said == [(7, "answer")]
        assert world.asked[-1].headers["authorization"] == "Bearer new"

    def test_signs_in_while_the_session_begins_anew(self, world: World) -> None:
        kept: list[Any] = []
        world.on_refused = lambda request: kept.append(request) or True
        world.rules["tools/call"] = lambda asked: asked.say(401)
        world.call(7)
        world.settle()
        del world.rules["tools/call"]
        lose_sessions(world)
        world.call(8)
        world.serve_one()  # 8 has lost its session, and a new one begins
        world.link.again(kept[0])
        world.pass_time(1)
        assert sorted(world.said) == [(7, "answer"), (8, "answer")]
        assert all(asked.session for asked in world.asked if asked.method == "tools/call")

    def test_a_header_that_cannot_be_written_fails_its_request_only(self, world: World) -> None:
        world.pairs = (("X-Key", "a\r\nEvil: 1"),)
        world.call()
        world.settle()
        assert world.said == [(7, "protocol")]
        assert "Evil" not in world.failures[0][1].text
        world.pairs = ()
        world.call(8)
        world.settle()
        assert world.said[0] == (8, "answer")


class TestClose:
    def test_says_goodbye(self, world: World) -> None:
        over: list[int] = []
        world.link.close(lambda: over.append(1))
        world.rules["DELETE"] = lambda asked: asked.say(200)
        world.settle()
        assert world.asked[-1].verb == "DELETE"
        assert world.asked[-1].session == "s1"
        assert over == [1]
        assert all(wire.closed for wire in world.wires)

    def test_does_not_wait_for_a_mute_server(self, world: World) -> None:
        over: list[int] = []
        world.rules["DELETE"] = silence
        world.link.close(lambda: over.append(1))
        world.pass_time(60)
        assert over == [1]
        assert all(wire.closed for wire in world.wires)

    def test_does_not_wait_for_a_connection_either(self, world: World) -> None:
        over: list[int] = []
        kept: list[Any] = []
        world.connect = lambda _, stream: kept.append(stream)
        world.link.close(lambda: over.append(1))
        world.pass_time(60)
        assert over == [1]
        late = Wire(world, kept[0])
        kept[0].opened(late)
        assert late.closed
        assert world.inbox == []

    def test_forgets_everything(self, world: World) -> None:
        world.rules["tools/call"] = silence
        for number in range(300):
            world.call(number + 10)
        world.settle()
        world.link.close()
        world.pass_time(60)
        assert world.said == []
        assert all(wire.closed for wire in world.wires if wire is not world.wires[-1])
        world.assert_clean()


class TestCrowd:
    def test_a_thousand_calls_share_the_connections(self, world: World) -> None:
        held: list[Asked] = []
        world.rules["tools/call"] = held.append
        for number in range(1000):
            world.call(number + 10)
        world.settle(most=2000)
        assert len(held) <= 128
        done = 0
        while done < len(held):
            held[done].result()
            done += 1
            world.settle(most=2000)
        assert [a["id"] for a in world.answers] == list(range(10, 1010))
        world.assert_clean()

    def test_hung_calls_can_be_cancelled(self, world: World) -> None:
        """The notice does not wait behind what it cancels."""
        world.rules["tools/call"] = silence
        for number in range(200):
            world.call(number + 10)
        world.settle()
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        world.link.find(10).cancelled = True
        world.send({**cancel, "params": {"requestId": 10}})
        world.settle()
        assert world.times("notifications/cancelled") == 1
        world.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        world.settle()
        assert world.said == [(1, "answer")]
        assert world.link.find(10) is None


class TestModern:
    """2026-07-28: no session; every message names its revision."""

    META = "io.modelcontextprotocol/"

    def modern(self, world: World, method: str, **params: Any) -> Any:
        params["_meta"] = {self.META + "protocolVersion": "2026-07-28"}
        return world.send({"jsonrpc": "2.0", "id": 5, "method": method, "params": params})

    def test_needs_no_session_and_mirrors_its_message(self) -> None:
        world = World()
        world.rules["tools/call"] = lambda asked: asked.result()
        self.modern(world, "tools/call", name="größe")
        world.settle()
        (asked,) = world.asked
        assert asked.headers["mcp-protocol-version"] == "2026-07-28"
        assert asked.headers["mcp-method"] == "tools/call"
        assert asked.headers["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
        assert "mcp-session-id" not in asked.headers
        assert world.said == [(5, "answer")]

    def test_is_cancelled_by_closing_its_stream(self) -> None:
        world = World()
        world.rules["tools/call"] = lambda asked: asked.begin_stream()
        request = self.modern(world, "tools/call", name="a")
        world.settle()
        world.link.abandon(request)
        world.settle()
        assert world.times("notifications/cancelled") == 0
        assert world.asked[0].wire.closed
        world.assert_clean()

    @pytest.mark.parametrize("version", ["a\r\nEvil: 1", "\u20ac", "x\0"])
    def test_a_version_cannot_inject_a_header(self, version: str) -> None:
        world = World()
        meta = {self.META + "protocolVersion": version}
        world.send({"jsonrpc": "2.0", "id": 5, "method": "x", "params": {"_meta": meta}})
        world.settle()
        assert world.asked == []
        assert world.said == [(5, "protocol")]

    @pytest.mark.parametrize("method", [5, [], {}, None, True, "a\r\nb", "\ud800"])
    @pytest.mark.parametrize("modern", [False, True])
    def test_an_odd_method_breaks_nothing(self, method: object, modern: bool) -> None:  # noqa: FBT001
        world = World()
        world.begin()
        meta = {self.META + "protocolVersion": "2026-07-28"} if modern else {}
        message = {"jsonrpc": "2.0", "id": 5, "method": method, "params": {"_meta": meta}}
        world.send(message)
        world.call(8)
        world.pass_time(60)
        assert (8, "answer") in world.said
        world.assert_clean()

    def test_a_surrogate_in_an_argument_fails_its_call_only(self) -> None:
        world = World()
        schema = {"properties": {"a": {"x-mcp-header": "A"}}}
        tools = [{"name": "t", "inputSchema": schema}]
        world.link.tools.learn(line({"result": {"tools": tools}}))
        self.modern(world, "tools/call", name="t", arguments={"a": "\ud800"})
        world.settle()
        assert world.said == [(5, "protocol")]


class TestOld:
    """HTTP with SSE, 2024-11-05."""

    @pytest.fixture
    def old(self) -> World:
        world = World(transport="sse")
        self.streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            self.streams.append(asked)
            asked.begin_stream()
            asked.event(b"event: endpoint\ndata: /messages?s=%d\n\n" % len(self.streams))

        world.rules["GET"] = listen
        for method in ("initialize", "tools/call", "tools/list"):
            world.rules[method] = self.post
        return world

    def post(self, asked: Asked) -> None:
        assert asked.path == f"/messages?s={len(self.streams)}"
        asked.say(202)
        result = {"protocolVersion": "2024-11-05", "capabilities": {}}
        answer = line({"jsonrpc": "2.0", "id": asked.message["id"], "result": result})
        self.streams[-1].event(b"event: message\ndata: %s\n\n" % answer)

    def test_answers_come_on_the_stream(self, old: World) -> None:
        old.begin()
        old.call()
        old.pass_time(1)
        assert old.said == [(7, "answer")]
        old.assert_clean()

    def test_a_cut_stream_begins_anew(self, old: World) -> None:
        old.begin()
        self.streams[-1].wire.cut()
        old.pass_time(3)
        assert old.times("initialize") == 2
        assert old.times("notifications/initialized") == 2
        assert old.reopenings == 1
        old.call()
        old.pass_time(1)
        assert old.said == [(7, "answer")]

    def test_a_call_in_flight_is_not_sent_again(self, old: World) -> None:
        old.begin()
        old.rules["tools/call"] = lambda asked: asked.say(202)
        old.call()
        old.settle()
        self.streams[-1].wire.cut()
        old.pass_time(60)
        assert old.times("tools/call") == 1
        ((_, trouble),) = old.failures
        assert "may have run" in trouble.text
        assert trouble.delivered is not False

    def test_a_list_in_flight_is_asked_again_after_initialize(self, old: World) -> None:
        old.begin()
        old.rules["tools/list"] = lambda asked: asked.say(202)
        old.send({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})
        old.settle()
        old.rules["tools/list"] = self.post
        before = len(old.asked)
        self.streams[-1].wire.cut()
        old.pass_time(5)
        assert old.said == [(3, "answer")]
        methods = [asked.method for asked in old.asked[before:]]
        assert methods.index("initialize") < methods.index("tools/list")

    @pytest.mark.parametrize(
        "place", ["http://evil.invalid/x", "//evil.invalid/x", "/a\tb", "", "\u20ac"]
    )
    def test_an_endpoint_elsewhere_is_refused(self, place: str) -> None:
        world = World(transport="sse")

        def listen(asked: Asked) -> None:
            asked.begin_stream()
            asked.event(b"event: endpoint\ndata: %s\n\n" % place.encode())

        world.rules["GET"] = listen
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(60)
        assert world.times("initialize") == 0
        assert world.said == [(0, "redirected")]

    def test_a_stream_that_never_names_an_endpoint_is_given_up(self) -> None:
        world = World(transport="sse")
        world.rules["GET"] = lambda asked: asked.begin_stream()
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(120)
        assert [identity for identity, _ in world.said] == [0]
        world.assert_clean()

    def test_auto_takes_no_silent_stream_for_an_old_server(self) -> None:
        world = World(transport="auto")
        world.rules["initialize"] = lambda asked: asked.say(404)
        world.rules["GET"] = lambda asked: asked.begin_stream()
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(25)
        ((_, trouble),) = world.failures
        assert "no MCP endpoint" in trouble.text
        assert world.link.listening.transport == "auto"

    def test_cancelled_calls_are_forgotten(self, old: World) -> None:
        """A server answers no call that was cancelled, and there is no stream that would end."""
        old.begin()
        old.rules["tools/call"] = lambda asked: asked.say(202)
        for number in range(10, 20):
            request = old.call(number)
            old.settle()
            old.link.abandon(request)
        old.settle()
        old.assert_clean()

    def test_an_unreachable_server_is_called_that(self) -> None:
        world = World(transport="sse")
        world.down = REFUSED
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(60)
        ((_, trouble),) = world.failures
        assert trouble.text == REFUSED.text

    def test_auto_finds_it(self) -> None:
        world = World(transport="auto")
        world.rules["initialize"] = lambda asked: asked.say(405)
        streams: list[Asked] = []

        def listen(asked: Asked) -> None:
            streams.append(asked)
            world.rules["initialize"] = post
            asked.begin_stream()
            asked.event(b"event: endpoint\ndata: /m\n\n")

        def post(asked: Asked) -> None:
            asked.say(202)
            answer = line({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2024-11-05"}})
            streams[-1].event(b"data: %s\n\n" % answer)

        world.rules["GET"] = listen
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(2)
        assert world.said == [(0, "answer")]

    def test_auto_says_what_spoke_against_the_new_one(self) -> None:
        world = World(transport="auto")
        world.rules["initialize"] = lambda asked: asked.say(404)
        world.rules["GET"] = lambda asked: asked.say(404)
        world.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        world.pass_time(2)
        ((_, trouble),) = world.failures
        assert "no MCP endpoint" in trouble.text


def test_messages_pass_byte_for_byte(world: World) -> None:
    text = b'{ "jsonrpc":"2.0","id":7, "method":"tools/call","params":{"name":"p","n":1e400,"x":12345678901234567890123,"s":"\\u00e9\\/"} }'
    world.link.send(text, json.loads(text))
    world.rules["tools/call"] = lambda asked: asked.say(
        200, b'{"jsonrpc":"2.0","id":7,"result":{"n":1.10, "big":98765432109876543210,"\\u0061":1}}'
    )
    seen: list[bytes] = []
    world.answered = lambda _, answer: seen.append(answer)
    world.settle()
    assert world.asked[-1].body == text
    assert seen == [
        b'{"jsonrpc":"2.0","id":7,"result":{"n":1.10, "big":98765432109876543210,"\\u0061":1}}'
    ]


class TestIdle:
    """A connection that the server closes at this moment is not one for a call."""

    def used(self, world: World) -> int:
        """The number of the connection that carried the last request."""
        return world.wires.index(world.asked[-1].wire)

    def test_calls_share_a_connection(self, world: World) -> None:
        for number in range(5):
            world.call(number + 10)
            world.pass_time(3)
        assert len({asked.wire for asked in world.asked if asked.method == "tools/call"}) == 1

    def test_a_server_that_closes_after_each_answer_is_known_by_that(self, world: World) -> None:
        world.call(10)
        world.settle()
        world.asked[-1].wire.cut()
        for number in range(11, 16):
            before = len(world.wires)
            world.call(number)
            world.settle()
            assert len(world.wires) == before + 1
        assert len(world.answers) == 6

    def test_also_by_a_request_that_went_with_it(self, world: World) -> None:
        cut = []

        def once(asked: Asked) -> None:
            if not cut:
                cut.append(1)
                asked.wire.cut()
            else:
                asked.result()

        world.rules["ping"] = once
        world.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        world.pass_time(1)
        before = len(world.wires)
        world.call()
        world.settle()
        assert len(world.wires) == before + 1
        assert world.said == [(1, "answer"), (7, "answer")]

    def test_a_call_does_not_meet_the_end_of_a_keep_alive(self, world: World) -> None:
        """Node and uvicorn close what was idle for 5 s."""
        world.call(10)
        world.settle()
        used = self.used(world)
        world.pass_time(4.5)
        world.call(11)
        world.settle()
        assert self.used(world) > used

    def test_what_may_be_asked_twice_may_meet_it(self, world: World) -> None:
        world.call(10)
        world.settle()
        used = self.used(world)
        world.pass_time(30)
        world.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        world.settle()
        assert self.used(world) == used

    def test_a_server_that_closes_later_is_no_suspect(self, world: World) -> None:
        world.call(10)
        world.pass_time(3)
        for wire in world.wires:
            wire.cut()
        world.call(11)
        world.settle()
        used = self.used(world)
        world.call(12)
        world.settle()
        assert self.used(world) == used
