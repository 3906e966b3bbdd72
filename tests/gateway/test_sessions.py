"""Sessions of the era of ``initialize``, over a real gateway with real processes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mcpconf.gateway.gateway import Gateway as Gateway_
from mcpconf.gateway.http import Head
from mcpconf.gateway.messages import NotJsonRpc
from mcpconf.gateway.service import Service
from mcpconf.gateway.session import DESERTED, Session
from mcpconf.gateway.stream import Archive
from tests import clock

from . import rig
from .rig import Client, Gateway, until


def test_a_session_from_initialize_to_delete(shared: Gateway) -> None:
    client = shared.client()
    greeting = client.initialize()
    assert greeting.result["serverInfo"]["title"] == "s0"
    assert client.tool("echo", a=1).text == '{"a": 1}'
    pid = rig.pid_of(client)
    assert client.call_http("DELETE").status == 200
    assert client.tool("echo").status == 404
    until(lambda: not rig.alive(pid))


def test_two_clients_have_two_processes(shared: Gateway) -> None:
    one, two = shared.session(), shared.session()
    assert rig.pid_of(one) != rig.pid_of(two)
    assert one.session != two.session


def test_a_session_belongs_to_its_server(shared: Gateway) -> None:
    one, two = shared.session("s0"), shared.client("s1")
    two.session = one.session
    assert two.tool("echo").status == 404
    assert one.tool("echo").status == 200


def test_without_a_session_the_client_is_told_to_begin(shared: Gateway) -> None:
    client = shared.client()
    assert client.tool("echo").status == 400
    client.session = "0" * 32
    assert client.tool("echo").status == 404
    assert client.call_http("GET", more={"Accept": "text/event-stream"}).status == 404
    assert client.call_http("DELETE").status == 404


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("PUT", {}, 405),
        ("POST", {"Accept": "text/html"}, 406),
        ("POST", {"Accept": "*/*"}, 200),
        ("POST", {"Accept": "application/*;q=0.1"}, 200),
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("GET", {"Accept": "application/json"}, 406),
    ],
)
def test_what_http_wants(shared: Gateway, method: str, more: dict[str, str], status: int) -> None:
    client = shared.session()
    message = client.message("ping")
    answer = client.call_http(method, json.dumps(message).encode(), more)
    assert answer.status == status


def test_ids_and_numbers_come_back_as_they_were(shared: Gateway) -> None:
    client = shared.session()
    for id_ in (0, "42", 42, 2**53 - 1, 'a"\\\n', "é"):
        answer = client.ask("tools/call", {"name": "bignum", "arguments": {}}, id_)
        assert answer.message["id"] == id_
        assert b"9007199254740993" in answer.body
        assert b"0.1000000000000000055511151231257827" in answer.body


def test_an_id_that_is_in_use_is_refused(shared: Gateway) -> None:
    client = shared.session()
    first = client.message("tools/call", {"name": "sleep", "arguments": {"ms": 800}}, 7)
    client.begin_later = threading.Thread(target=client.send, args=(first,))
    client.begin_later.start()
    time.sleep(0.2)
    assert client.ask("ping", None, 7).message["error"]["message"] == "that id is in use"
    client.begin_later.join()


def test_what_the_server_asks_goes_onto_the_stream_of_the_call(shared: Gateway) -> None:
    client = shared.session()
    stream = client.start_tool("sample", prompt="x")
    asked = json.loads(next(stream).data)
    assert asked["method"] == "sampling/createMessage"
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "sampled"}}
    told = client.send({"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    assert told.status == 202
    assert "sampled" in next(stream).data


def test_progress_goes_to_its_own_call(shared: Gateway) -> None:
    client = shared.session()
    streams = {}
    for token in ("a", 1, "1"):
        params = {"name": "progress", "arguments": {"n": 2, "ms": 100}}
        message = client.message("tools/call", params | {"_meta": {"progressToken": token}})
        response = client.begin("POST", json.dumps(message).encode())
        streams[token] = rig.events(iter(response.readline, b""))
    for token, stream in streams.items():
        got = [json.loads(e.data) for e in stream]
        assert [m["params"]["progressToken"] for m in got[:-1]] == [token, token]
        assert "result" in got[-1]


def test_changes_wait_for_the_get_stream(shared: Gateway) -> None:
    client = shared.session()
    client.tool("touch")
    listening = client.listen()
    assert "tools/list_changed" in next(listening).data
    client.tool("touch")
    assert "tools/list_changed" in next(listening).data


def test_a_get_stream_goes_on_where_it_was_cut(shared: Gateway) -> None:
    client = shared.session()
    first = client.listen()
    client.tool("touch")
    last = next(first).id
    client.hang_up()
    client.ask("resources/subscribe", {"uri": "test://watched-resource"})
    client.tool("bump", uri="test://watched-resource")
    again = client.listen(last)
    assert "resources/updated" in next(again).data


def test_a_newer_get_stream_takes_over(shared: Gateway) -> None:
    client = shared.session()
    old, new = client.listen(), client.listen()
    assert list(old) == []
    client.tool("touch")
    assert "list_changed" in next(new).data


def test_a_call_whose_connection_is_cut_is_answered_after_the_client_is_back(
    shared: Gateway,
) -> None:
    client = shared.session()
    stream = client.start_tool("sleep", ms=1500, tag="resumed")
    primed = next(stream)
    assert primed.data == ""
    client.hang_up()
    back = client.listen(primed.id)
    assert "slept resumed" in next(back).data
    assert list(back) == []
    late = client.listen(primed.id)
    assert "slept resumed" in next(late).data, "the answer can be had again"


def test_a_call_that_nobody_waits_for_is_cancelled(shared: Gateway) -> None:
    client = shared.session()
    message = client.message(
        "tools/call", {"name": "sleep", "arguments": {"ms": 60_000, "tag": "gone"}}
    )
    impatient = Client(shared.port, client.path, rig.TOKEN)
    impatient.session = client.session
    with pytest.raises(TimeoutError):
        _send_and_leave(impatient, message)
    until(lambda: "gone" in json.loads(client.tool("cancelled").text)["work"])


def test_large_requests_that_wait_are_bounded_for_each_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those whose client has gone: they are kept for a while, should it come back."""
    monkeypatch.setattr("mcpconf.gateway.gateway.MOST_WEIGHT", 100_000)

    def service(*sizes: int) -> Service:
        waiting = {b"%d" % n: SimpleNamespace(size=size) for n, size in enumerate(sizes)}
        made = Service.__new__(Service)
        made.sessions = {b"s": SimpleNamespace(waiting=waiting)}  # type: ignore[dict-item]
        made.opening, made._shared = set(), None
        return made

    gateway = Gateway_(SimpleNamespace(log=None), frozenset())  # type: ignore[arg-type]
    gateway.services = {("one", "a"): service(40_000), ("one", "b"): service(30_000, 10_000)}
    gateway.services["two", "a"] = service(50_000)
    gateway._bear("one", b"x" * 20_000)
    gateway._bear("two", b"x" * 50_000)
    with pytest.raises(NotJsonRpc, match="wait"):
        gateway._bear("one", b"x" * 20_001)
    gateway._bear("one", b"x" * 1000)


def _send_and_leave(client: Client, message: Any) -> None:
    from http.client import HTTPConnection  # noqa: PLC0415

    connection = HTTPConnection("127.0.0.1", client.port, timeout=0.3)
    connection.request("POST", client.path, json.dumps(message), client.headers())
    try:
        connection.getresponse()
    finally:
        connection.close()


def test_the_client_cancels(shared: Gateway) -> None:
    client = shared.session()
    params = {"name": "sleep", "arguments": {"ms": 60_000, "tag": "cancelled"}}
    answers: list[rig.Answer] = []
    message = client.message("tools/call", params, "to-cancel")
    waiting = threading.Thread(target=lambda: answers.append(client.send(message)))
    waiting.start()
    until(
        lambda: client.notify("notifications/cancelled", {"requestId": "to-cancel"}).status == 202
    )
    time.sleep(0.1)
    client.notify("notifications/cancelled", {"requestId": "to-cancel"})
    until(lambda: "cancelled" in json.loads(client.tool("cancelled").text)["work"])
    waiting.join(30)
    assert answers[0].message["error"]["code"] == -32800


def test_a_crash_fails_the_call_and_the_session_lives_on(shared: Gateway) -> None:
    client = shared.session()
    client.ask("logging/setLevel", {"level": "warning"})
    client.ask("resources/subscribe", {"uri": "test://watched-resource"})
    began = clock.now()
    trouble = client.tool("crash", code=9)
    assert trouble.status == 200
    assert trouble.trouble["code"] == "server-exited"
    assert "exited with status 9" in trouble.message["error"]["message"]
    assert "mcpconf explain s0" in trouble.message["error"]["message"]
    assert client.tool("echo", b=2).text == '{"b": 2}'
    assert clock.now() - began < 4
    who = json.loads(client.tool("whoami").text)
    assert set(who["caps"]) == set(rig.CAPABILITIES), "the client's own initialize was repeated"
    listening = client.listen()
    client.tool("bump", uri="test://watched-resource")
    assert "resources/updated" in next(listening).data, "so were its subscriptions"


def test_all_calls_that_wait_hear_of_a_crash(shared: Gateway) -> None:
    client = shared.session()
    answers: list[rig.Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.tool("sleep", ms=60_000)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    client.tool("crash")
    for thread in threads:
        thread.join(30)
    assert [a.trouble["code"] for a in answers] == ["server-exited"] * 3


def test_garbage_on_stdout_hurts_nobody(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"s0": rig.stdio(garbage=True)})
    client = running.session()
    assert client.tool("echo", a=1).text == '{"a": 1}'


BROKEN = """
import sys
sys.stderr.write("secret-on-stderr\\n")
sys.exit(7)
"""


def test_a_server_that_does_not_start_says_so_at_once_and_is_left_alone(
    gateway: Callable[..., Gateway],
) -> None:
    running = gateway({"bad": rig.script(BROKEN), "none": {"command": "/no/such/program"}})
    client = running.client("bad")
    for _ in range(6):
        answer = client.greet()
        assert "mcp-session-id" not in answer.headers
        assert answer.trouble["code"] == "server-exited"
        assert b"secret-on-stderr" not in answer.body
    assert "it is started again in" in answer.message["error"]["message"]
    missing = running.client("none").greet()
    assert missing.trouble["code"] == "spawn-failed"
    assert "No such file" in missing.message["error"]["message"]


def test_a_slow_start_is_waited_for(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"slow": rig.stdio("slow", "--start-delay", "1.5"), "s0": rig.stdio()})
    slow = threading.Thread(target=running.session, args=("slow",))
    slow.start()
    began = clock.now()
    running.session("s0").tool("echo")
    assert clock.now() - began < 1.4, "nobody else waits"
    slow.join(30)
    assert running.session("slow").tool("echo").status == 200


def test_large_messages_pass(shared: Gateway) -> None:
    client = shared.session()
    assert len(client.tool("size", n=10 << 20).text) == 10 << 20
    sent = "x" * (5 << 20)
    assert json.loads(client.tool("echo", text=sent).text)["text"] == sent


def test_line_breaks_in_a_body_are_no_line_breaks_for_the_server(shared: Gateway) -> None:
    client = shared.session()
    message = client.message("tools/call", {"name": "echo", "arguments": {"a": "b\nc"}})
    answer = client.call_http("POST", json.dumps(message, indent=2).replace("\n", "\r\n").encode())
    assert json.loads(answer.text) == {"a": "b\nc"}


def test_sessions_are_counted(gateway: Callable[..., Gateway]) -> None:
    """A session too many is refused; one that ends makes room."""
    answer = '{"jsonrpc":"2.0","id":1,"result":{}}'
    words = f"read line; echo '{answer}'; exec cat >/dev/null"
    running = gateway({"s0": {"command": "/bin/sh", "args": ["-c", words]}})
    greeted = [running.client() for _ in range(257)]
    answers = [client.greet() for client in greeted]
    assert all("mcp-session-id" in a.headers for a in answers[:256])
    assert "sessions already" in answers[256].message["error"]["message"]
    greeted[0].session = answers[0].headers["mcp-session-id"]
    assert greeted[0].call_http("DELETE").status == 200
    assert "mcp-session-id" in running.client().greet().headers


class Clock:
    """A loop's clock, and nothing else of it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class Quiet:
    """A server that says nothing, as a service and as an upstream."""

    def __init__(self) -> None:
        self.loop = Clock()
        self.archive = Archive()
        self.closed = 0
        self.pause = self.resume = lambda: None

    def upstream(self, _: object) -> Quiet:
        return self

    def forget(self, _: object) -> None: ...

    def close(self) -> None:
        self.closed += 1


class Line:
    """A connection that swallows everything."""

    waiting = None

    def open_stream(self, _: str) -> None: ...
    def end_stream(self) -> None: ...


def test_a_client_that_died_is_noticed_by_its_stream() -> None:
    service = Quiet()
    session = Session(service)
    head = Head(b"GET", b"/", {}, 0, keep_alive=True)
    service.loop.now += 5000
    assert not session.deserted(service.loop.now), "without a stream nobody can tell"
    line = Line()
    session.listen(line, head)
    service.loop.now += 5000
    assert not session.deserted(service.loop.now)
    line.waiting.gone()
    service.loop.now += DESERTED - 1
    assert not session.deserted(service.loop.now)
    service.loop.now += 2
    assert session.deserted(service.loop.now)
    session.listen(Line(), head)
    assert not session.deserted(service.loop.now), "it was only cut off"
    session.close()
    assert service.closed == 1
