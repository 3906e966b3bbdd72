"""The laboratory's servers: one interpreter, forked for each, each in its namespace.

``python -m tests.netns.lab.helpers STATE JSON [remove]`` with ``{NAMESPACE: [PID, [WHAT, …]], …}``.
Whoever holds the other end of its stdin keeps everything alive; when that closes, by whatever
cause, all end, and with ``remove`` the directory STATE goes, too.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.netns.lab.dns_server import DnsServer
from tests.netns.lab.docker_dns import DockerDns
from tests.netns.lab.servers import Servers
from tests.netns.lab.sniffer import WATCHED, watch


def end_with_stdin() -> None:
    """End this process when its stdin ends."""

    def end() -> None:
        _wait_for_end()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass


def main() -> None:
    state, plan = Path(sys.argv[1]), json.loads(sys.argv[2])
    for pid, tasks in plan.values():
        for task in tasks:
            _start(pid, _task(state, task))
    _wait_for_end()
    if sys.argv[3:] == ["remove"]:
        shutil.rmtree(state, ignore_errors=True)


def _start(pid: int, run: Callable[[], None]) -> None:
    """Fork, enter the network namespace of ``pid``, and run."""
    if os.fork():
        return
    try:
        end_with_stdin()
        _enter(pid)
        run()
    except BaseException:  # noqa: BLE001  # it must not go on as its parent
        traceback.print_exc()
    os._exit(1)


def _enter(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(namespace, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")
    os.close(namespace)


def _task(state: Path, name: str) -> Callable[[], None]:
    for watched in WATCHED:
        if name == watched.name:
            return lambda: watch(state, watched)
    if name == "dns":
        return lambda: asyncio.run(DnsServer(state).serve())
    if name == "docker_dns":
        return lambda: asyncio.run(DockerDns(state).serve())
    return lambda: asyncio.run(Servers(state, name).serve())


if __name__ == "__main__":
    main()
