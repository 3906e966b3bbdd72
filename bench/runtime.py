#!/usr/bin/env python3
"""Speed of bridge and gateway as ratios to the direct connection, against what was promised.

    bench/runtime.py [--quick] [--reps 5] [--peers direct,floor,mcpconf] [--home DIR]

Runs bench/proxy/harness.py (cold start, bridge, gateway with 1 and 20 servers of each kind) and
prints one line for each promise.  A ratio is the median over the repetitions of peer / direct
within the same repetition, so that a noisy machine moves both.  Exit status 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROXY = Path(__file__).resolve().parent / "proxy"
Row = dict[str, Any]


def at(row: Row, path: str) -> float | None:
    """The number at a dotted path of a row."""
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Results:
    """The rows of one harness run."""

    rows: tuple[Row, ...]

    def median(self, peer: str, path: str, **where: object) -> float | None:
        found = [at(r, path) for r in self._of(peer, **where)]
        numbers = [x for x in found if x is not None]
        return statistics.median(numbers) if numbers else None

    def ratio(self, peer: str, path: str, **where: object) -> float | None:
        direct = {r["rep"]: at(r, path) for r in self._of("direct", **where)}
        found = [
            mine / base
            for r in self._of(peer, **where)
            if (mine := at(r, path)) is not None and (base := direct.get(r["rep"]))
        ]
        return statistics.median(found) if found else None

    def added(self, peer: str, path: str, **where: object) -> float | None:
        direct = {r["rep"]: at(r, path) for r in self._of("direct", **where)}
        found = [
            mine - base
            for r in self._of(peer, **where)
            if (mine := at(r, path)) is not None and (base := direct.get(r["rep"])) is not None
        ]
        return statistics.median(found) if found else None

    def errors(self, peer: str) -> list[str]:
        return [r["error"] for r in self._of(peer) if "error" in r]

    def _of(self, peer: str, **where: object) -> list[Row]:
        keep = {"peer": peer, **where}
        return [r for r in self.rows if all(r.get(k) == v for k, v in keep.items())]


@dataclass(frozen=True)
class Promise:
    """What was promised, where it is measured, and how it is read."""

    what: str
    run: str
    limit: float
    read: Callable[[Results, str], float | None]
    at_least: bool = False
    unit: str = "x"

    def kept(self, value: float | None) -> bool:
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


def one(kind: str) -> dict[str, object]:
    return {"n": 1, "kind": kind}


def twenty_against_one(results: Results, peer: str, kind: str) -> float | None:
    many = results.ratio(peer, "lat_1k.p50", n=20, kind=kind)
    single = results.ratio(peer, "lat_1k.p50", **one(kind))
    return many / single if many and single else None


PROMISES = (
    Promise("bridge: cold start", "startup", 0.6, lambda r, p: r.ratio(p, "cold.init_ms")),
    Promise(
        "bridge: added to a 1 KB call",
        "bridge",
        0.15,
        lambda r, p: r.added(p, "lat_1k.p50"),
        unit="ms",
    ),
    Promise("bridge: 1 MB call", "bridge", 2.2, lambda r, p: r.ratio(p, "lat_1m.p50")),
    Promise(
        "bridge: throughput, 16 in flight",
        "bridge",
        0.6,
        lambda r, p: r.ratio(p, "tp_16.calls_s"),
        at_least=True,
    ),
    Promise("bridge: memory", "bridge", 15, lambda r, p: r.median(p, "mem_idle.rss_mb"), unit="MB"),
    Promise(
        "gateway: 1 KB call, stdio server",
        "gateway",
        5,
        lambda r, p: r.ratio(p, "lat_1k.p50", **one("stdio")),
    ),
    Promise(
        "gateway: 1 KB call, HTTP server",
        "gateway",
        5,
        lambda r, p: r.ratio(p, "lat_1k.p50", **one("http")),
    ),
    Promise(
        "gateway: 20 stdio servers / 1",
        "gateway",
        1.15,
        lambda r, p: twenty_against_one(r, p, "stdio"),
    ),
    Promise(
        "gateway: 20 HTTP servers / 1",
        "gateway",
        1.15,
        lambda r, p: twenty_against_one(r, p, "http"),
    ),
    Promise(
        "gateway: start with 20 stdio servers",
        "gateway",
        250,
        lambda r, p: r.median(p, "listening_ms", n=20, kind="stdio"),
        unit="ms",
    ),
    Promise(
        "gateway: memory, 20 stdio servers",
        "gateway",
        45,
        lambda r, p: r.median(p, "mem_ready.rss_mb", n=20, kind="stdio"),
        unit="MB",
    ),
)


def measured(what: str, a: argparse.Namespace) -> Results:
    """Run that part of the harness, unless its results are to be kept."""
    out = a.home / "results" / f"{what}.json"
    reps = {"startup": 2 * a.reps - 1, "bridge": a.reps, "gateway": max(2, a.reps - 2)}[what]
    words = [what, "--peers", a.peers, "--reps", str(reps), "--out", str(out)]
    words += ["--quick"] if a.quick and what != "bridge" else []
    if not a.keep:
        env = {**os.environ, "BENCH_HOME": str(a.home), "BENCH_VENV": sys.prefix}
        command = [sys.executable, str(PROXY / "harness.py"), *words]
        subprocess.run(command, check=True, env=env, stdout=sys.stderr)
    return Results(tuple(json.loads(out.read_text())["rows"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two repetitions, one gateway size")
    parser.add_argument("--keep", action="store_true", help="print what was measured last")
    parser.add_argument("--reps", type=int)
    parser.add_argument("--peers", default="direct,floor,mcpconf")
    parser.add_argument("--home", type=Path, default=os.environ.get("BENCH_HOME", ".bench"))
    a = parser.parse_args()
    a.home, a.reps = Path(a.home).absolute(), a.reps or (2 if a.quick else 5)
    results = {what: measured(what, a) for what in ("startup", "bridge", "gateway")}
    peers = [p for p in a.peers.split(",") if p != "direct"]
    print(f"\n{'':38s}{'promised':>12s}" + "".join(f"{p:>14s}" for p in peers))
    missed = 0
    for promise in PROMISES:
        values = {p: promise.read(results[promise.run], p) for p in peers}
        sign = ">=" if promise.at_least else "<="
        cells = "".join(_cell(values[p], promise) for p in peers)
        print(f"{promise.what:38s}{sign:>4s}{promise.limit:6g} {promise.unit:2s}{cells}")
        missed += "mcpconf" in values and not promise.kept(values["mcpconf"])
    for what, found in results.items():
        for error in found.errors("mcpconf"):
            print(f"{what}: {error}")
            missed += 1
    return 1 if missed else 0


def _cell(value: float | None, promise: Promise) -> str:
    if value is None:
        return f"{'-':>14s}"
    return f"{value:11.2f} {promise.unit:2s}{' ' if promise.kept(value) else '!'}"[:15].rjust(14)


if __name__ == "__main__":
    sys.exit(main())
