"""The outside end of the probe."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from typing import Any

from tests.netns.lab.addresses import AGENT
from tests.netns.lab.container import DOCKER, PYTHON
from tests.netns.lab.lab import Lab

Found = dict[str, Any]
Pending = queue.Queue[Found]
_PATIENCE = 60


class Hands:
    """A probe in a laboratory's container, by default as the agent's user."""

    def __init__(self, lab: Lab, uid: int = AGENT) -> None:
        words = [*PYTHON, "-m", "tests.netns.redteam.probe", str(uid)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = lab.start(words, DOCKER, text=True, **pipes)
        self._pending: dict[int, Pending] = {}
        self._number = 0
        self._sending = threading.Lock()
        assert self._process.stdout is not None
        if '"ready"' not in self._process.stdout.readline():
            raise RuntimeError("the probe did not start")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, op: str, **order: Any) -> Pending:
        """Give an order; its answer arrives in the queue."""
        pending: Pending = queue.Queue()
        with self._sending:
            self._number += 1
            self._pending[self._number] = pending
            line = json.dumps({**order, "op": op, "number": self._number})
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return pending

    def ask(self, op: str, **order: Any) -> Found:
        """Give an order and wait for its answer."""
        return answer(self.send(op, **order))

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            return  # an order that was never sent

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = json.loads(line)
            if pending := self._pending.pop(found["number"], None):
                pending.put(found)


def answer(pending: Pending) -> Found:
    """The answer to an order, when it comes."""
    try:
        return pending.get(timeout=_PATIENCE)
    except queue.Empty:
        return {"ok": False, "err": "the probe did not answer"}
