#!/usr/bin/env python3
"""Days of use in half an hour: 20 servers, 8 clients through bridge and gateway, faults all along.

    bench/soak.py [--minutes 30] [--clients 8] [--servers 20] [--json FILE]

Half of the servers are stdio, the rest HTTP and one in five of those HTTP+SSE.  Each client has a
bridge to five servers and keeps up to three requests in flight.  Something breaks every few
seconds, see `FAULTS`; the gateway itself is restarted in the first half only, so that its memory
can be compared over the second.

Asserted: every request gets one answer (a result, or an error that says why), never two; no call
is carried out twice; a result is the right one; without a fault in the last 20 s there is no
error; and from the middle to the end memory, descriptors and children stay where they are.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "proxy"))
import procs as H  # noqa: N812
from rig import BOTH_HTTP, Rig, descriptors, memory_mb, run
from wire import Gone, RpcError, StdioClient

EACH = 5  # servers of a client
QUIET = 20.0  # so long after a fault an error is a consequence of it
PATIENCE = 75.0  # longer than a bridge's: an answer that is later is lost


class Soak:
    """The world, what was counted in it, and what is measured of it."""

    def __init__(self, seconds: float, clients: int, servers: int) -> None:
        self.seconds, self.clients, self.n = seconds, clients, servers
        self.rig = Rig("mcpconf", H.load_peers()["mcpconf"], BOTH_HTTP)
        self.http: dict[str, H.HttpBackend] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.samples: list[dict[str, float]] = []
        self.bridges: dict[tuple[int, str], StdioClient] = {}
        self.last_fault = self.begun = time.monotonic()
        self.token = 0

    async def start(self) -> None:
        entries: dict[str, Any] = {}
        for i in range(self.n):
            name = f"s{i}"
            if i % 2:
                self.http[name] = be = H.HttpBackend(name=name)
                await run(be.start)
                old = i in range(9, self.n, 10)
                kind = {"type": "sse", "url": f"http://127.0.0.1:{be.port}/sse"}
                entries[name] = kind if old else {"url": be.url}
            else:
                entries[name] = {"cmd": H.backend_cmd("stdio", "--name", name)}
        await self.rig.gateway(servers=entries)
        await run(self.rig.gw.listening)

    async def close(self) -> None:
        for c in self.bridges.values():
            await c.kill()
        for be in self.http.values():
            await run(be.stop)
        await self.rig.close()

    def over(self) -> bool:
        return time.monotonic() - self.begun > self.seconds

    # ---- clients
    async def client(self, number: int) -> None:
        names = [f"s{(number * 3 + k * 4) % self.n}" for k in range(EACH)]
        await asyncio.gather(*(self._use(number, name) for name in dict.fromkeys(names)))

    async def _use(self, number: int, name: str) -> None:
        while not self.over():
            cmd, env = self.rig.bridge_cmd(name)
            c = self.bridges[number, name] = await StdioClient.spawn(cmd, env=env)
            try:
                await c.initialize(timeout=PATIENCE)
                await asyncio.gather(*(self._ask(c, name) for _ in range(3)))
                self.counts["sessions ended"] += 1
            except (Gone, RpcError) as e:
                self.counts["sessions broken"] += 1
                if not c.killed:
                    self.wrong.append(f"{name}: {e}")
            except TimeoutError:
                self.wrong.append(f"{name}: no initialize")
            if c.unexpected:
                self.wrong.append(
                    f"{name}: answered twice or unasked: {str(c.unexpected[0])[:120]}"
                )
            if c.garbage:
                self.wrong.append(f"{name}: not JSON: {c.garbage[0]!r}")
            await c.close(5)

    async def _ask(self, c: StdioClient, name: str) -> None:
        """Requests one after the other, until this session has had enough."""
        for _ in range(random.randrange(40, 400)):
            if self.over() or c.closed:
                return
            await self._one(c, name)
            await asyncio.sleep(random.random() * 0.4)

    async def _one(self, c: StdioClient, name: str) -> None:
        self.token += 1
        token = f"{name}-{self.token}"
        self.counts["requests"] += 1
        kind = random.choice(("once", "once", "once", "size", "progress", "sample", "list"))
        try:
            text = await self._call(c, kind, token)
        except RpcError as e:
            self._error(token, e)
        except Gone:
            self.counts["gone with a killed bridge"] += 1
            if not c.killed:
                self.wrong.append(f"{token}: the bridge ended")
        except TimeoutError:
            self.wrong.append(f"{token}: {kind} lost: no answer in {PATIENCE:.0f} s")
        else:
            self._result(token, text)

    def _error(self, token: str, e: RpcError) -> None:
        self.counts["errors"] += 1
        self.errors[str(e.err.get("message") if isinstance(e.err, dict) else e)[:110]] += 1
        if time.monotonic() - self.last_fault > QUIET:
            self.wrong.append(f"{token}: an error out of nothing: {e}")

    def _result(self, token: str, text: str) -> None:
        self.counts["results"] += 1
        if "TWICE" in text:
            self.wrong.append(f"{token}: carried out twice")
        elif token not in text:
            self.wrong.append(f"{token}: the answer is {text[:120]!r}")

    async def _call(self, c: StdioClient, kind: str, token: str) -> str:
        if kind == "size":
            n = random.choice((1_000, 50_000, 300_000))
            got = len((await c.call("size", {"n": n}, PATIENCE))["content"][0]["text"])
            return token if got == n else f"{got} of {n} bytes"
        if kind == "list":
            got = len((await c.request("tools/list", {}, PATIENCE))["tools"])
            return token if got > 1 else f"{got} tools"
        if kind == "progress":
            await c.call("progress", {"n": 3, "ms": 20}, PATIENCE, {"progressToken": token})
            return token
        if kind == "sample":
            answer = await c.call("sample", {"prompt": token}, PATIENCE)
            return token if "sampled-ok" in json.dumps(answer) else str(answer)
        return str((await c.call("once", {"token": token}, PATIENCE))["content"][0]["text"])

    # ---- faults
    async def faults(self) -> None:
        number = 0
        while not self.over():
            await asyncio.sleep(random.uniform(2, 6))
            early = time.monotonic() - self.begun < self.seconds / 2
            which = FAULTS if early else FAULTS[1:]
            fault = which[number % len(which)]
            number += 1
            self.counts[f"fault: {fault.__name__.strip('_').replace('_', ' ')}"] += 1
            self.last_fault = time.monotonic()
            await fault(self)
            self.last_fault = time.monotonic()
            if number % 6 == 0:
                await asyncio.sleep(QUIET + 8)  # a time in which nothing may go wrong

    async def gateway_restarted(self) -> None:
        await run(self.rig.gw.stop)
        await run(self.rig.gw.start)
        await run(self.rig.gw.listening)

    async def server_restarted(self) -> None:
        be = random.choice(list(self.http.values()))
        await run(be.stop)
        await asyncio.sleep(random.choice((0.0, 2.0)))
        await run(be.start)

    async def sessions_evicted(self) -> None:
        await run(lambda: random.choice(list(self.http.values())).ctl(do="evict"))

    async def connections_dropped(self) -> None:
        be = random.choice(list(self.http.values()))
        await run(lambda: be.ctl(do="drop_connections"))

    async def bad_gateway(self) -> None:
        be = random.choice(list(self.http.values()))
        await run(lambda: be.ctl(set={"fail_next": 3}))

    async def stdio_server_crashed(self) -> None:
        kids = set(H.tree(self.rig.gw.proc.pid)) - set(
            H.tree(self.rig.gw.proc.pid, skip_backends=True)
        )
        if kids:
            os.kill(random.choice(sorted(kids)), signal.SIGKILL)

    async def bridge_killed(self) -> None:
        c = random.choice(list(self.bridges.values()))
        if not c.exited.done():
            c.killed = True
            os.kill(c.pid, signal.SIGKILL)

    # ---- measures
    async def measure(self) -> None:
        while not self.over():
            await asyncio.sleep(5)
            proc = self.rig.gw.proc
            if self.over() or not proc.alive():
                continue
            own = H.tree(proc.pid, skip_backends=True)
            live = [c.pid for c in self.bridges.values() if not c.exited.done()]
            self.samples.append(
                {
                    "t": round(time.monotonic() - self.begun, 1),
                    "gateway MB": memory_mb(own[:1]),
                    "gateway fds": descriptors(own[:1]),
                    "children": len(H.tree(proc.pid)) - 1,
                    "bridges": len(live),
                    "MB a bridge": memory_mb(live) / max(1, len(live)),
                    "fds a bridge": descriptors(live) / max(1, len(live)),
                }
            )
            if len(self.samples) % 12 == 0:
                told = {k: round(v, 1) for k, v in self.samples[-1].items()}
                print(f"{told} {dict(self.counts)} wrong: {len(self.wrong)}", flush=True)

    def growth(self) -> list[tuple[str, float, float, float, bool]]:
        """(what, in the middle, at the end, may grow by, fine) of the second half."""
        late = [s for s in self.samples if s["t"] > self.seconds / 2]
        part = max(1, len(late) // 4)
        allowed = {
            "gateway MB": 3.0,
            "gateway fds": 12.0,
            "children": 4.0,
            "MB a bridge": 1.0,
            "fds a bridge": 1.0,
        }
        rows = []
        for what, most in allowed.items():
            first = statistics.median([s[what] for s in late[:part]] or [0.0])
            last = statistics.median([s[what] for s in late[-part:]] or [0.0])
            rows.append((what, first, last, most, last - first <= most))
        return rows

    def report(self) -> bool:
        print()
        for name, n in sorted(self.counts.items()):
            print(f"{name:34s} {n}")
        for text, n in self.errors.most_common(12):
            print(f"  error {n:5d}  {text}")
        rows = self.growth()
        for what, first, last, most, fine in rows:
            verdict = "" if fine else "  GREW"
            print(f"{what:14s} {first:8.1f} -> {last:8.1f}  (may grow by {most:.0f}){verdict}")
        for text in self.wrong[:20]:
            print(f"WRONG {text}")
        print(f"{len(self.wrong)} wrong")
        return not self.wrong and all(r[4] for r in rows) and self.counts["results"] > 0


Fault = Callable[[Soak], Awaitable[None]]
FAULTS: tuple[Fault, ...] = (
    Soak.gateway_restarted,
    Soak.server_restarted,
    Soak.sessions_evicted,
    Soak.stdio_server_crashed,
    Soak.connections_dropped,
    Soak.bad_gateway,
    Soak.bridge_killed,
)


async def soak(seconds: float, clients: int, servers: int, out: Path | None) -> bool:
    """Run it all; true when nothing was wrong."""
    s = Soak(seconds, clients, servers)
    try:
        await s.start()
        s.begun = s.last_fault = time.monotonic()
        parts = [s.client(i) for i in range(clients)]
        await asyncio.wait_for(asyncio.gather(*parts, s.faults(), s.measure()), seconds + 300)
    finally:
        good = s.report()
        await s.close()
    if out:
        found = {"counts": s.counts, "wrong": s.wrong, "samples": s.samples}
        await run(out.write_text, json.dumps(found))
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--servers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    random.seed(a.seed)
    return 0 if asyncio.run(soak(a.minutes * 60, a.clients, a.servers, a.json)) else 1


if __name__ == "__main__":
    sys.exit(main())
