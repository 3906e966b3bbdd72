"""Processes: their environment, their end, and that none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcpconf.gateway.gateway import Gateway as Gateway_
from tests import clock

from . import rig
from .rig import Gateway, alive, until

STUBBORN = """
import os, signal, subprocess, sys, json
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-S", "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
message = json.loads(sys.stdin.readline())
result = {"protocolVersion": "2025-06-18", "capabilities": {}, "pids": [os.getpid(), child.pid]}
print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
while True:
    signal.pause()
"""


def test_a_server_that_will_not_end_is_ended_with_all_it_has_started(
    gateway: Callable[..., Gateway],
) -> None:
    running = gateway({"s0": rig.script(STUBBORN)})
    client = running.client()
    pids = client.initialize().result["pids"]
    assert all(map(alive, pids))
    assert client.call_http("DELETE").status == 200
    until(lambda: not any(map(alive, pids)), 7)


def test_an_orderly_stop_leaves_nobody(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"s0": rig.stdio()})
    pids = [rig.pid_of(running.session()) for _ in range(3)]
    began = clock.now()
    assert running.stop() == 0
    assert clock.now() - began < 3
    assert not any(map(alive, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_gateway_that_is_killed_leaves_nobody_either(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"s0": rig.script(STUBBORN), "s1": rig.stdio()})
    pids = running.client("s0").initialize().result["pids"]
    pids.append(rig.pid_of(running.session("s1")))
    running.stop(signal.SIGKILL)
    until(lambda: not any(map(alive, pids)), 6)


SHOW = """
import json, os, resource, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message: continue
    result = {"protocolVersion": "2025-06-18", "capabilities": {}, "env": dict(os.environ),
              "cwd": os.getcwd(), "args": sys.argv[1:], "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
              "pgid": os.getpgrp() == os.getpid(), "open": len(os.listdir("/dev/fd"))}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def test_what_a_server_is_given(gateway: Callable[..., Gateway]) -> None:
    entry = rig.script(SHOW)
    entry["args"] += ["${WORD:-nothing}", "${EXTRA:-default}"]
    entry["env"] = {"OWN": "${WORD}", "PLAIN": "1"}
    running = gateway({"s0": entry}, env={"WORD": "secret-word"})
    clients = [running.client() for _ in range(3)]
    shown = [client.initialize().result for client in clients][-1]
    assert shown["env"]["OWN"] == "secret-word"
    assert shown["env"]["PLAIN"] == "1"
    assert shown["args"] == ["secret-word", "default"]
    assert "MCPCONF_GATEWAY_TOKEN" not in shown["env"]
    assert shown["pgid"], "it leads a group of its own"
    assert shown["open"] <= 5, "no descriptor of the gateway or of another server is in it"
    ours = int(
        subprocess.run(
            ["sh", "-c", "ulimit -Sn"], capture_output=True, text=True, check=True
        ).stdout
    )
    if sys.platform == "linux":
        assert shown["files"] == ours, "the limit that the gateway raised for itself is given back"
    assert "secret-word" not in running.stderr()


def test_an_unset_variable_is_named(gateway: Callable[..., Gateway]) -> None:
    entry = rig.stdio()
    entry["env"] = {"A": "${NOT_SET_ANYWHERE}"}
    answer = gateway({"s0": entry}).client().greet()
    assert answer.trouble["code"] == "secret-missing"
    assert "NOT_SET_ANYWHERE" in answer.message["error"]["message"]


ENDLESS = """
import sys, json
message = json.loads(sys.stdin.readline())
sys.stderr.write("e" * 3_000_000)
for _ in range(70):
    sys.stdout.write("x" * 1_000_000)
sys.stdout.write("\\n")
result = {"protocolVersion": "2025-06-18", "capabilities": {}}
print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_endless_line_ends_its_server_and_memory_is_bounded(
    gateway: Callable[..., Gateway],
) -> None:
    running = gateway({"s0": rig.script(ENDLESS)})
    client = running.client()
    assert "a line of more than 64 MB" in client.greet().message["error"]["message"]
    peak = Path(f"/proc/{running.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    assert int(peak) < 200_000
    assert "eee" not in running.stderr()


DEAF = """
import sys, json, time
message = json.loads(sys.stdin.readline())
result = {"protocolVersion": "2025-06-18", "capabilities": {}}
print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
time.sleep(600)
"""


def test_a_server_that_does_not_read_blocks_only_itself(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"deaf": rig.script(DEAF), "s0": rig.stdio()})
    deaf = running.session("deaf")
    for _ in range(7):
        assert deaf.notify("notifications/x", {"pad": "y" * 10_000_000}).status == 202
    answer = deaf.ask("ping")
    assert answer.trouble["code"] == "server-silent"
    assert answer.trouble["delivered"] is False
    assert running.session("s0").tool("echo").status == 200


def test_a_closed_stdout_is_the_end_of_a_server(gateway: Callable[..., Gateway]) -> None:
    text = "import os, sys, time\nsys.stdin.readline()\nos.close(1)\ntime.sleep(600)"
    began = clock.now()
    answer = gateway({"s0": rig.script(text)}).client().greet()
    assert answer.trouble["code"] == "server-exited"
    assert clock.now() - began < 5


def test_status_of_a_signal(shared: Gateway) -> None:
    client = shared.session()
    pid = rig.pid_of(client)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert json.loads(client.tool("whoami").text)["pid"] != pid


def test_processes_that_are_still_ending_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who opens sessions and leaves at once has as many processes as they like."""
    monkeypatch.setattr("mcpconf.gateway.gateway.MOST_SESSIONS", 3)
    running = Gateway_(SimpleNamespace(log=None), frozenset())
    opened: list[object] = []
    service = SimpleNamespace(
        project="one", clients=1, children={1, 2, 3}, open_session=lambda: opened.append(1)
    )
    running.services = {("one", "s0"): service, ("two", "s0"): service}
    answers: list[bytes] = []
    connection = SimpleNamespace(respond=lambda _, body: answers.append(body))
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'
    running._initialize(connection, None, service, body)
    assert not opened
    assert b"3 sessions already" in answers[0]
