#!/usr/bin/env python3
"""Pass/fail half of the benchmark: scripted faults and pass-through checks, in five directions.

scenarios.py [--peers a,b] [--only name,name] [--dirs bridge,gw-stdio,gw-http,both] [--jobs 3]
             [--skip-slow | --slow-only] [--out FILE]

Verdicts: pass | part: why | FAIL: why | n/a.  `direct` runs the same client against the backend without a peer and
must pass whatever needs no proxy, which is what validates the scenarios themselves.
Exit status: 1 when anything of the peers named by --strict is not a pass.
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path

import cases
import procs as H
from rig import ALL, BOTH_HTTP, BOTH_STDIO, BRIDGE, NA, Part, Rig

__all__ = ["ALL", "applicable", "one"]
assert cases.MODULES
DIRECTIONS = ("bridge", "gw-stdio", "gw-http", "both-stdio", "both-http")


async def one(peer, spec, direction, name, seconds=200):
    """Run one scenario once; its row."""
    fn = ALL[name][0]
    r = Rig(peer, spec, direction)
    t = time.perf_counter()
    try:
        await asyncio.wait_for(fn(r), seconds)
        v = "pass"
    except Part as e:
        v = f"part: {e}"
    except NA as e:
        v = f"n/a {e}".strip()
    except AssertionError as e:
        v = f"FAIL: {e}"
    except TimeoutError as e:
        v = f"FAIL: timeout {e}".strip()
    except Exception as e:
        v = f"FAIL: {type(e).__name__}: {str(e)[:200]}"
    finally:
        await r.close()
    took = round(time.perf_counter() - t, 2)
    return {
        "peer": peer,
        "dir": direction,
        "scenario": name,
        "verdict": v,
        "s": took,
        "note": r.note,
    }


def applicable(spec, direction, name):
    """Whether this peer has that direction at all."""
    if direction not in ALL[name][1]:
        return False
    if spec.get("direct"):
        return direction not in (BOTH_STDIO, BOTH_HTTP)
    if direction == BRIDGE:
        return "bridge" in spec
    if direction in (BOTH_STDIO, BOTH_HTTP) and "both" not in spec:
        return False
    return direction.split("-")[1] in spec.get("gateway", {}).get("upstream", [])


def kind(name):
    fn = ALL[name][0]
    return "heavy" if fn.heavy else "slow" if fn.slow else "quick"


def chosen(a, peers):
    want = a.peers.split(",") if a.peers else list(peers)
    if a.chosen:
        pairs = json.loads(Path(a.chosen).read_text())
        jobs = [(p, peers[p], d, n) for d, n in pairs for p in want if applicable(peers[p], d, n)]
        return sorted(jobs, key=lambda j: kind(j[3]) == "quick")
    dirs = a.dirs.replace("both,", "both-stdio,both-http,").split(",")
    dirs = [y for x in dirs for y in (("both-stdio", "both-http") if x == "both" else (x,))]
    jobs = []
    for name in a.only.split(",") if a.only else list(ALL):
        slow = ALL[name][2]
        if (slow and a.skip_slow) or (not slow and a.slow_only):
            continue
        jobs += [
            (p, peers[p], d, name) for d in dirs for p in want if applicable(peers[p], d, name)
        ]
    jobs.sort(key=lambda j: not ALL[j[3]][2])  # the slow ones first
    return jobs


async def attempt(p, s, d, n):
    x = await one(p, s, d, n)
    if x["verdict"].startswith("FAIL") and not ALL[n][2]:  # once more: flakes are not findings
        y = await one(p, s, d, n)
        if not y["verdict"].startswith("FAIL"):
            y["note"] = (y["note"] + f" flaky, first: {x['verdict']}").strip()
            return y
    return x


def show(x, lines):
    if lines:
        return print(json.dumps(x), flush=True)
    shown = f"{x['peer']:12s} {x['dir']:10s} {x['scenario']:32s} {x['s']:6.1f}s"
    print(f"{shown} {x['verdict'][:220]} {x['note']}", flush=True)


async def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--peers")
    ap.add_argument("--only")
    ap.add_argument("--dirs", default=",".join(DIRECTIONS))
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--chosen", help="a file: [[direction, scenario], ...]")
    ap.add_argument("--list", action="store_true", help="what would run, as JSON")
    ap.add_argument("--lines", action="store_true", help="a line of JSON for each row")
    ap.add_argument("--skip-slow", action="store_true")
    ap.add_argument("--slow-only", action="store_true")
    ap.add_argument("--strict", default="mcpconf")
    ap.add_argument("--out", default=f"{H.H2}/results/matrix.json")
    a = ap.parse_args()
    jobs = chosen(a, H.load_peers())
    if a.list:
        print(json.dumps([(kind(n), d, n) for _, _, d, n in jobs]))
        return 0
    os.makedirs(H.ENV["HOME"], exist_ok=True)
    out = Path(a.out)
    if out.exists() and not out.is_file():
        ap.error(f"{out} is not a file")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    if out.is_file():  # keep what this run does not repeat
        keys = {(p, d, n) for p, _, d, n in jobs}
        old = json.loads(out.read_text())
        rows = [r for r in old if (r["peer"], r["dir"], r["scenario"]) not in keys]
    mine = []
    lanes = {"quick": a.jobs, "slow": 2 * a.jobs, "heavy": 1}  # slow ones only wait
    lanes = {k: asyncio.Semaphore(n) for k, n in lanes.items()}

    async def go(*job):
        async with lanes[kind(job[3])]:
            x = await attempt(*job)
            rows.append(x)
            mine.append(x)
            show(x, a.lines)
            Path(f"{out}.tmp").write_text(json.dumps(rows, indent=0))
            os.replace(f"{out}.tmp", out)

    await asyncio.gather(*(go(*j) for j in jobs))
    for p in sorted({x["peer"] for x in mine}) if not a.lines else ():
        vs = [x["verdict"] for x in mine if x["peer"] == p]
        told = {k: sum(v.startswith(k) for v in vs) for k in ("pass", "part", "FAIL", "n/a")}
        print(f"{p}: {told}")
    bad = [
        x
        for x in mine
        if x["peer"] in a.strict.split(",") and not x["verdict"].startswith(("pass", "n/a"))
    ]
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
