"""The stateless era: one process for all clients of a project, and none hears the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests import clock

from . import rig
from .rig import Client, Gateway, until


def test_a_call_without_a_session(shared: Gateway) -> None:
    client = shared.client()
    found = client.modern("server/discover")
    assert rig.MODERN in found.result["supportedVersions"]
    answer = client.modern("tools/call", {"name": "echo", "arguments": {"a": 1}})
    assert answer.text == '{"a": 1}'
    assert answer.result["resultType"] == "complete"
    assert "mcp-session-id" not in answer.headers


def stream(client: Client, method: str, params: object, id_: object) -> Iterator[rig.Event]:
    message, more = client.stateless(method, params, id_)
    response = client.begin("POST", json.dumps(message).encode(), more)
    return rig.events(iter(response.readline, b""))


def test_equal_ids_and_tokens_of_two_clients_are_told_apart(shared: Gateway) -> None:
    one, two = shared.client(), shared.client()
    slow = {"name": "progress", "arguments": {"n": 3, "ms": 150}, "_meta": {"progressToken": 5}}
    fast = {"name": "progress", "arguments": {"n": 1, "ms": 10}, "_meta": {"progressToken": 5}}
    got: dict[str, list[dict]] = {}

    def run(name: str, client: Client, params: dict) -> None:
        got[name] = [json.loads(e.data) for e in stream(client, "tools/call", params, 1)]

    threads = [
        threading.Thread(target=run, args=("slow", one, slow)),
        threading.Thread(target=run, args=("fast", two, fast)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got["slow"]) == 4
    assert len(got["fast"]) == 2
    for messages in got.values():
        assert messages[-1]["id"] == 1
        assert {m["params"]["progressToken"] for m in messages[:-1]} == {5}


def test_a_subscription_keeps_its_clients_id(shared: Gateway) -> None:
    client = shared.client()
    listening = stream(
        client, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "listen:0"
    )
    acknowledged = json.loads(next(listening).data)
    assert acknowledged["params"]["_meta"][rig.META + "subscriptionId"] == "listen:0"
    shared.client().modern("tools/call", {"name": "touch", "arguments": {}})
    changed = json.loads(next(listening).data)
    assert changed["method"] == "notifications/tools/list_changed"
    assert changed["params"]["_meta"][rig.META + "subscriptionId"] == "listen:0"


def test_closing_the_connection_cancels(shared: Gateway) -> None:
    client = shared.client()
    client.modern("server/discover")
    params = {"name": "progress", "arguments": {"n": 1, "ms": 1}, "_meta": {"progressToken": 1}}
    list(stream(client, "tools/call", params, 1))  # the process is there
    message, more = client.stateless(
        "tools/call", {"name": "sleep", "arguments": {"ms": 60_000, "tag": "mg"}}
    )
    threading.Thread(target=lambda: _left(client, message, more)).start()
    time.sleep(0.3)
    client.close()

    def cancelled() -> bool:
        answer = client.modern("tools/call", {"name": "cancelled", "arguments": {}})
        return "mg" in json.loads(answer.text)["work"]

    until(cancelled)


def _left(client: Client, message: dict, more: dict[str, str]) -> None:
    from http.client import HTTPConnection  # noqa: PLC0415

    connection = HTTPConnection("127.0.0.1", client.port, timeout=0.2)
    connection.request("POST", client.path, json.dumps(message), client.headers(more))
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Mcp-Method": "tools/list"}, -32020),
        ({"Mcp-Name": "other"}, -32020),
        ({"MCP-Protocol-Version": "2027-01-01"}, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, -32020),
    ],
)
def test_headers_have_to_fit(shared: Gateway, change: dict[str, str], code: int) -> None:
    client = shared.client()
    message, more = client.stateless("tools/call", {"name": "echo", "arguments": {}})
    answer = client.send(message, more | change)
    assert answer.status == 400
    assert answer.message["error"]["code"] == code
    assert answer.message["id"] == message["id"]


def test_errors_have_their_http_status(shared: Gateway) -> None:
    client = shared.client()
    assert client.modern("nothing/here").status == 404
    assert client.modern("tools/call", {"name": "none", "arguments": {}}).status == 400


SILENT = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def test_a_server_that_ignores_the_probe_is_refused_in_its_place(
    gateway: Callable[..., Gateway],
) -> None:
    client = gateway({"old": rig.script(SILENT)}).client("old")
    began = clock.now()
    first = client.modern("server/discover")
    assert clock.now() - began < 2
    assert first.status == 400
    assert first.message["error"]["code"] == -32601
    began = clock.now()
    assert client.modern("server/discover").message["error"]["code"] == -32601
    assert clock.now() - began < 0.5, "that is remembered"
    assert client.initialize().result["protocolVersion"] == "2025-06-18"


def test_a_server_that_was_only_slow_is_asked_again(gateway: Callable[..., Gateway]) -> None:
    client = gateway({"slow": rig.stdio("slow", "--start-delay", "1.3")}).client("slow")
    assert client.modern("server/discover").message["error"]["code"] == -32601
    until(lambda: "result" in client.modern("server/discover").message)


def test_a_server_of_the_older_era_refuses_by_itself(gateway: Callable[..., Gateway]) -> None:
    client = gateway({"old": rig.stdio(eras="legacy")}).client("old")
    assert client.modern("server/discover").message["error"]["code"] == -32601
    client.initialize()
    assert client.tool("echo").status == 200


def test_a_crash_is_told_and_the_next_call_works(gateway: Callable[..., Gateway]) -> None:
    client = gateway({"s0": rig.stdio()}).client()
    crashed = client.modern("tools/call", {"name": "crash", "arguments": {}})
    assert crashed.trouble["code"] == "server-exited"
    assert client.modern("tools/call", {"name": "echo", "arguments": {"a": 1}}).text == '{"a": 1}'
