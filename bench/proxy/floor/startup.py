#!/usr/bin/env python3
"""Cost of starting Python and importing things: startup.py PYTHON [reps] -> table (ms, MB), medians, interleaved."""

import json
import statistics
import subprocess
import sys
import time

CASES = [
    ("python -I -S -E -c pass", ["-I", "-S", "-E"], "pass"),
    ("python -I -c pass (site, venv)", ["-I"], "pass"),
    ("python -c pass (site, venv)", [], "pass"),
    ("-S: selectors+socket+json", ["-I", "-S", "-E"], "import selectors, socket, json, os, sys"),
    ("-S: asyncio", ["-I", "-S", "-E"], "import asyncio"),
    ("-S: asyncio+json", ["-I", "-S", "-E"], "import asyncio, json"),
    ("-S: ssl", ["-I", "-S", "-E"], "import ssl"),
    ("-S: http.client", ["-I", "-S", "-E"], "import http.client"),
    ("-S: argparse", ["-I", "-S", "-E"], "import argparse"),
    ("-S: logging", ["-I", "-S", "-E"], "import logging"),
    ("-S: tomllib", ["-I", "-S", "-E"], "import tomllib"),
] + [
    (m, ["-I"], "import " + m)
    for m in (
        "orjson",
        "msgspec",
        "h11",
        "httptools",
        "uvloop",
        "anyio",
        "httpx",
        "httpx2",
        "aiohttp",
        "aiohttp.web",
        "typer",
        "pydantic",
        "starlette.applications",
        "uvicorn",
        "mcp",
        "mcp.client.streamable_http",
        "mcp.server.lowlevel",
        "fastmcp",
        "mcp_proxy.proxy_server",
    )
]


def main():
    py, reps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15
    tail = ";import os as _o;_s=open('/proc/self/status').read();print(_s.split('VmRSS:')[1].split()[0])"
    rows = {n: [] for n, _, _ in CASES}
    mem = {}
    for _ in range(reps):
        for n, flags, code in CASES:
            if mem.get(n) == "absent":
                continue
            t = time.perf_counter()
            p = subprocess.run([py, *flags, "-c", code], check=False, capture_output=True)
            dt = (time.perf_counter() - t) * 1e3
            if p.returncode:
                mem[n] = "absent"
                continue
            rows[n].append(dt)
            if n not in mem:
                mem[n] = (
                    int(
                        subprocess.run(
                            [py, *flags, "-c", code + tail], check=False, capture_output=True
                        ).stdout
                    )
                    / 1024
                )
    base = statistics.median(rows[CASES[0][0]])
    out = []
    for n, _, _ in CASES:
        if rows[n]:
            out.append(
                {
                    "case": n,
                    "ms": round(statistics.median(rows[n]), 1),
                    "rss_mb": round(mem[n], 1),
                    "x": round(statistics.median(rows[n]) / base, 2),
                }
            )
            print(f"{n:36s} {out[-1]['ms']:8.1f} ms  {out[-1]['rss_mb']:7.1f} MB  x{out[-1]['x']}")
    print(json.dumps(out))


main()
