"""Obeys orders: JSON lines on stdin, answers on stdout, many at once.

``python -S -m tests.netns.redteam.probe UID``: it starts as root, because the interpreter may be
where nobody else can read, and becomes ``UID`` for good before it does anything.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # before privileges are dropped, as everything
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.netns.redteam.probe import connecting, lasting, packets

_ORDERS = {
    "tcp": connecting.tcp,
    "udp": packets.udp,
    "icmp": packets.icmp,
    "dns": packets.dns,
    "pipeline": packets.pipeline,
    "flood": packets.flood,
    "resolve": packets.resolve,
    "hold": lasting.hold,
    "held": lasting.held,
    "loop": lasting.loop,
    "looped": lasting.looped,
    "listen": lasting.listen,
    "occupy": lasting.occupy,
    "echo": lasting.echo,
    "run": lasting.run,
}
_SPEAKING = threading.Lock()
_AT_ONCE = 48


def main() -> None:
    _become(int(sys.argv[1]))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pool.submit(int).result()  # its module has more to import when it first runs
        _say({"ready": True})
        for line in sys.stdin:
            pool.submit(_obey, json.loads(line))
        os._exit(0)


def _become(uid: int) -> None:
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.environ["HOME"] = "/home/agent"


def _obey(order: connecting.Order) -> None:
    try:
        found = _ORDERS[order["op"]](order)
    except Exception as error:  # noqa: BLE001  # whatever it was, the answer is: it did not work
        found = {"ok": False, "err": f"{type(error).__name__}: {error}"[:120]}
    _say({**found, "number": order["number"]})


def _say(found: connecting.Found) -> None:
    with _SPEAKING:
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
