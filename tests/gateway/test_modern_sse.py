"""The stateless era on the old transport, where all answers come on one stream: of the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import rig
from .rig import Client, Gateway, free_port, until
from .test_modern import _left, stream

SERVER = Path(__file__).with_name("sse_server.py")


class Old:
    """The server, which can be started again on its port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    @property
    def entry(self) -> dict[str, str]:
        return {"type": "sse", "url": f"http://localhost:{self.port}/sse"}

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(SERVER), str(self.port)])
        until(lambda: rig.Backend.listens(self), 20)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def old() -> Iterator[Old]:
    server = Old()
    yield server
    server.stop()


@pytest.fixture
def modern(old: Old, gateway: Callable[..., Gateway]) -> Gateway:
    running = gateway({"s0": old.entry})
    assert rig.MODERN in running.client().modern("server/discover").result["supportedVersions"]
    return running


def test_a_subscription_is_acknowledged_under_its_clients_id(modern: Gateway) -> None:
    """Claude Code waits for that, 30 s long, before it asks for anything."""
    wanted = {"notifications": {"toolsListChanged": True}}
    for client in (modern.client(), modern.client()):  # of the same id
        said = json.loads(next(stream(client, "subscriptions/listen", wanted, "listen:0")).data)
        assert said["method"] == "notifications/subscriptions/acknowledged"
        assert said["params"]["_meta"][rig.META + "subscriptionId"] == "listen:0"


def test_equal_ids_and_tokens_of_two_clients_are_told_apart(modern: Gateway) -> None:
    got: dict[int, list[dict]] = {}

    def run(n: int, client: Client) -> None:
        call = {"name": "progress", "arguments": {"n": n, "ms": 100}, "_meta": {"progressToken": 5}}
        got[n] = [json.loads(e.data) for e in stream(client, "tools/call", call, 1)]

    threads = [threading.Thread(target=run, args=(n, modern.client())) for n in (3, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for n, messages in got.items():
        assert messages[-1]["id"] == 1
        assert messages[-1]["result"]["content"][0]["text"] == f"{n} of them"
        assert {m["params"]["progressToken"] for m in messages[:-1]} == {5}
    assert sorted(got) == [1, 3]


def test_closing_the_connection_cancels(modern: Gateway) -> None:
    client = modern.client()
    message, more = client.stateless("tools/call", {"name": "wait", "arguments": {"seconds": 30}})
    _left(client, message, more)
    other = {"name": "who_was_cancelled", "arguments": {}}
    until(lambda: client.modern("tools/call", other).text == "wait")


def test_what_a_stream_that_is_cut_leaves_unanswered_is_told(modern: Gateway, old: Old) -> None:
    got: list[str] = []
    call = {"name": "wait", "arguments": {"seconds": 30}}
    asking = threading.Thread(
        target=lambda: got.append(modern.client().modern("tools/call", call).trouble["code"])
    )
    asking.start()
    until(lambda: "1 of them" in _progress(modern))
    old.stop()
    old.start()
    asking.join(30)
    assert got == ["unreachable"]
    assert "2 of them" in _progress(modern, 2)


def _progress(gateway: Gateway, n: int = 1) -> str:
    call = {"name": "progress", "arguments": {"n": n, "ms": 1}}
    return gateway.client().modern("tools/call", call).text
