#!/usr/bin/env python3
"""Markdown tables from the results: report.py [-v] [results directory].

Medians over repetitions, ratios to direct; -v lists the reason of every failure of the matrix.
"""

import json
import statistics as st
import sys
from collections import defaultdict
from pathlib import Path

import procs as H

WORDS = [w for w in sys.argv[1:] if w != "-v"]
R = Path(WORDS[0] if WORDS else H.H2 + "/results")
DIRECTIONS = {
    "bridge": "Bridge: stdio client, HTTP server",
    "gw-stdio": "Gateway in front of stdio servers",
    "gw-http": "Gateway in front of HTTP servers",
    "both-stdio": "Bridge and gateway, stdio servers",
    "both-http": "Bridge and gateway, HTTP servers",
}
MARKS = {"p": "+", "F": "**F**", "n": ""}


def load(n):
    p = R / n
    return json.load(open(p)) if p.exists() else None


def get(r, path):
    for k in path.split("."):
        if not isinstance(r, dict) or k not in r or r[k] is None:
            return None
        r = r[k]
    return r


def med(rows, path):
    xs = [x for x in (get(r, path) for r in rows) if isinstance(x, (int, float))]
    return st.median(xs) if xs else None


def spread(rows, path):
    xs = sorted(x for x in (get(r, path) for r in rows) if isinstance(x, (int, float)))
    return (xs[0], xs[-1]) if xs else (None, None)


def f(x, d=2):
    if x is None:
        return "-"
    if isinstance(x, str):
        return x
    if abs(x) >= 1000:
        return f"{x:,.0f}"
    if abs(x) >= 100:
        return f"{x:.0f}"
    if abs(x) >= 10:
        return f"{x:.1f}"
    return f"{x:.{d}f}"


def ratio(a, b):
    return None if a is None or not b else a / b


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|")
    for r in rows:
        print("| " + " | ".join(f(x) for x in r) + " |")
    print()


def per_rep(rows, peer, path, base, bpath=None, where=lambda r: True):
    """Median over repetitions of peer/direct within the same repetition."""
    d = {r["rep"]: get(r, bpath or path) for r in rows if r["peer"] == base and where(r)}
    xs = [
        get(r, path) / d[r["rep"]]
        for r in rows
        if r["peer"] == peer and where(r) and get(r, path) and d.get(r["rep"])
    ]
    return st.median(xs) if xs else None


def bridge():
    b = load("bridge.json")
    if not b:
        return
    rows = b["rows"]
    print(f"### Bridge (stdio -> HTTP), {b['meta']['reps']} repetitions, {b['meta']['date']}\n")
    by = defaultdict(list)
    for r in rows:
        by[r["peer"]].append(r)
    order = sorted(by, key=lambda p: med(by[p], "lat_1k.p50") or 1e9)
    d = by["direct"]
    table(
        [
            "peer",
            "1 KB p50 ms",
            "x direct",
            "added ms",
            "p95",
            "p99",
            "1 MB p50 ms",
            "x direct",
            "1 MB p99",
            "CPU s/1000 calls",
            "CPU ms per 1 MB",
        ],
        [
            [
                p,
                med(by[p], "lat_1k.p50"),
                per_rep(rows, p, "lat_1k.p50", "direct"),
                (med(by[p], "lat_1k.p50") or 0) - med(d, "lat_1k.p50"),
                med(by[p], "lat_1k.p95"),
                med(by[p], "lat_1k.p99"),
                med(by[p], "lat_1m.p50"),
                per_rep(rows, p, "lat_1m.p50", "direct"),
                med(by[p], "lat_1m.p99"),
                med(by[p], "cpu_s_per_1000_seq"),
                med(by[p], "cpu_ms_per_1m"),
            ]
            for p in order
        ],
    )
    table(
        [
            "peer",
            "calls/s c=1",
            "c=16",
            "c=64",
            "of direct c=1",
            "c=16",
            "c=64",
            "CPU s/1000 at c=16",
            "p99 ms at c=64",
            "errors",
        ],
        [
            [
                p,
                *(med(by[p], f"tp_{k}.calls_s") for k in (1, 16, 64)),
                *(per_rep(rows, p, f"tp_{k}.calls_s", "direct") for k in (1, 16, 64)),
                med(by[p], "tp_16.cpu_s_per_1000"),
                med(by[p], "tp_64.p99"),
                str(sum("error" in r for r in by[p])),
            ]
            for p in order
        ],
    )
    table(
        ["peer", "RSS MB idle", "PSS MB idle", "RSS MB after load", "peak MB", "exit after EOF ms"],
        [
            [
                p,
                med(by[p], "mem_idle.rss_mb"),
                med(by[p], "mem_idle.pss_mb"),
                med(by[p], "mem_end.rss_mb"),
                med(by[p], "mem_end.peak_mb"),
                (med(by[p], "exit_s") or 0) * 1e3 or None,
            ]
            for p in order
            if p != "direct"
        ],
    )


def startup():
    b = load("startup.json")
    if not b:
        return
    rows = b["rows"]
    by = defaultdict(list)
    for r in rows:
        by[r["peer"]].append(r)
    print(
        f"### Cold start of a bridge, {b['meta']['reps']} repetitions (direct = the backend itself as a stdio server)\n"
    )
    order = sorted(by, key=lambda p: med(by[p], "cold.init_ms") or 1e9)
    table(
        [
            "peer",
            "initialize answered ms",
            "min..max",
            "x direct",
            "Claude Code sequence: tools known ms",
            "probe",
            "era",
        ],
        [
            [
                p,
                med(by[p], "cold.init_ms"),
                "{}..{}".format(*map(f, spread(by[p], "cold.init_ms"))),
                per_rep(rows, p, "cold.init_ms", "direct"),
                med(by[p], "claude.tools_ms"),
                str(
                    next(
                        (get(r, "claude.probe") for r in by[p] if get(r, "claude.probe")),
                        "answered",
                    )
                ),
                str(next((get(r, "claude.era") for r in by[p] if get(r, "claude.era")), "-")),
            ]
            for p in order
        ],
    )


def gateway():
    b = load("gateway.json")
    if not b:
        return
    rows = b["rows"]
    print(f"### Gateway, {b['meta']['reps']} repetitions, {b['meta']['date']}\n")
    for kind in ("stdio", "http"):
        for n in (1, 20):
            sel = [r for r in rows if r["kind"] == kind and r["n"] == n]
            if not sel:
                continue
            by = defaultdict(list)
            for r in sel:
                by[r["peer"]].append(r)
            order = sorted(by, key=lambda p: med(by[p], "lat_1k.p50") or 1e9)
            print(f"**{n} {kind} server{'s' if n > 1 else ''}**\n")
            table(
                [
                    "peer",
                    "first ready ms",
                    "all ready ms",
                    "RSS MB",
                    "start CPU s",
                    "1 KB p50 ms",
                    "x direct",
                    "p99",
                    "1 MB p50 ms",
                    "x direct",
                    "calls/s c=1",
                    "c=16",
                    "c=64",
                    "CPU s/1000",
                    "orphans",
                    "errors",
                ],
                [
                    [
                        p,
                        med(by[p], "first_ms"),
                        med(by[p], "all_ms"),
                        med(by[p], "mem_ready.rss_mb"),
                        med(by[p], "cpu_start_s"),
                        med(by[p], "lat_1k.p50"),
                        per_rep(sel, p, "lat_1k.p50", "direct"),
                        med(by[p], "lat_1k.p99"),
                        med(by[p], "lat_1m.p50"),
                        per_rep(sel, p, "lat_1m.p50", "direct"),
                        *(med(by[p], f"tp_{k}.calls_s") for k in (1, 16, 64)),
                        med(by[p], "cpu_s_per_1000_seq"),
                        med(by[p], "orphans"),
                        "; ".join(sorted({r["error"][:60] for r in by[p] if "error" in r})) or "0",
                    ]
                    for p in order
                ],
            )


def mark(verdict):
    if verdict is None:
        return "."
    return "~" if verdict.startswith("part") else MARKS.get(verdict[0], "?")


def matrix():
    m = load("matrix.json")
    for d, title in DIRECTIONS.items():
        rows = [r for r in m or () if r["dir"] == d]
        if not rows:
            continue
        have = {r["peer"] for r in rows}
        peers = [p for p in H.load_peers() if p in have]
        names = list(dict.fromkeys(r["scenario"] for r in rows))
        cell = {(r["peer"], r["scenario"]): r for r in rows}
        print(f"### {title}\n")
        print("`+` pass, `~` with a reservation, **F** fail, blank not applicable\n")
        print("| scenario | " + " | ".join(peers) + " |\n|---|" + ":-:|" * len(peers))
        for n in names:
            marks = (mark(cell.get((p, n), {}).get("verdict")) for p in peers)
            print(f"| {n} | " + " | ".join(marks) + " |")
        totals = []
        for p in peers:
            vs = [cell[p, n]["verdict"] for n in names if (p, n) in cell]
            totals.append(
                "/".join(str(sum(v.startswith(x) for v in vs)) for x in ("pass", "part", "FAIL"))
            )
        print("| **pass/reservation/fail** | " + " | ".join(totals) + " |\n")
        if "-v" in sys.argv:
            reasons(peers, names, cell)


def reasons(peers, names, cell):
    for p in peers:
        for n in names:
            r = cell.get((p, n))
            if r and r["verdict"].startswith(("FAIL", "part")):
                print(f"- {p} {n}: {r['verdict']} {r['note']}")
    print()


def conformance():
    c = load("conformance.json")
    if not c:
        return
    print("### Official conformance suite\n")
    table(
        ["peer", "path", "revision", "scenarios passed", "checks failed", "failed scenarios"],
        [
            [
                r["peer"],
                r["dir"],
                r["rev"],
                r.get("error") or f"{r['scenarios_passed']}/{r['scenarios']}",
                str(r.get("checks_failed", "-")),
                ", ".join(r.get("failed", []))[:400],
            ]
            for r in sorted(
                c,
                key=lambda r: (
                    r["dir"] == "client",
                    r["dir"],
                    r["rev"],
                    -(r.get("scenarios_passed") or 0),
                ),
            )
        ],
    )


if __name__ == "__main__":
    for fn in (startup, bridge, gateway, matrix, conformance):
        fn()
