"""Measures mcpconf-fw, and firewalls of others beside it, on real netfilter.

    python -m bench.firewall.bench [--quick] [--measure apply,window,…] [--modes default,strict]
        [--script init-firewall.sh] [--ddev DIR] [--out FILE]

Prints the figures of each candidate, their ratio to ours, and a line for each promise.  The exit
status is 1 when a promise is not kept.  Needs root; a full run takes about ten minutes, foreign
scripts take longer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.firewall import cost, speed
from bench.firewall.foreign import DdevClaude, Script
from bench.firewall.promises import APPLY, REQUESTS, lines
from tests.netns.redteam.adapter import Ours, made
from tests.netns.redteam.candidate import Candidate

MEASURES = "window apply reload kill weight cost".split()
LARGEST_OF_OTHERS = 200  # names; they need minutes for more
Found = dict[str, Any]


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    options = _options()
    program = options.program.read_bytes() if options.program else made()
    ours = {mode: Ours(mode, program) for mode in options.modes.split(",")}
    others: list[Candidate] = [Script(path) for path in options.script]
    others += [DdevClaude(path) for path in options.ddev]
    wanted = options.measure.split(",")
    found = {mode: _ours(candidate, wanted, options) for mode, candidate in ours.items()}
    if "cost" in wanted:
        costs = cost.cost(list(ours.values()), 3 if options.quick else 9)
        _tell("cost", costs)
        for mode, candidate in ours.items():
            found[mode]["cost"] = costs[candidate.name]
    first = next(iter(found.values()))
    beside = {other.name: _other(other, wanted, options, first) for other in others}
    judged = [(mode, line) for mode, each in found.items() for line in lines(mode, each)]
    for mode, line in judged:
        print(f"{'kept  ' if line.kept else 'BROKEN'}  {mode}: {line.text}")
    print(f"load while measuring: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    if options.out:
        options.out.write_text(json.dumps({"ours": found, "others": beside}, indent=1) + "\n")
    return int(not all(line.kept for _, line in judged))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few runs of everything")
    parser.add_argument("--measure", default=",".join(MEASURES))
    parser.add_argument("--modes", default="default,strict")
    parser.add_argument("--program", type=Path, help="a mcpconf-fw, if not from the sources")
    parser.add_argument("--script", type=Path, action="append", default=[], help="a shell script")
    parser.add_argument("--ddev", type=Path, action="append", default=[], help="ddev-claude/claude")
    parser.add_argument("--all-sizes", action="store_true", help="others with all numbers of names")
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    return parser.parse_args()


def _ours(candidate: Candidate, wanted: list[str], options: argparse.Namespace) -> Found:
    quick = options.quick
    found: Found = {}
    if "window" in wanted:
        found["window"] = speed.window(candidate, 2 if quick else 7)
    if "apply" in wanted:
        runs = 2 if quick else 7
        found["apply"] = {count: speed.apply(candidate, count, runs) for count in APPLY}
    if "reload" in wanted:
        found["reload"] = speed.reload(candidate, REQUESTS)
    if "kill" in wanted:
        found["kill"] = speed.kills(candidate, 4 if quick else 12)
    if "weight" in wanted:
        found["weight"] = speed.weight(candidate)
    _tell(candidate.name, found)
    return found


def _other(
    candidate: Candidate, wanted: list[str], options: argparse.Namespace, ours: Found
) -> Found:
    """The same of others, once each, and how much longer they take."""
    found: Found = {}
    if "window" in wanted:
        found["window"] = speed.window(candidate, 1)
    if "apply" in wanted:
        sizes = [n for n in APPLY if options.all_sizes or n <= LARGEST_OF_OTHERS]
        found["apply"] = {count: speed.apply(candidate, count, 1) for count in sizes}
        for count, figures in found["apply"].items():
            base = ours["apply"][count].get("median_s")
            if base and "median_s" in figures:
                figures["times_ours"] = round(figures["median_s"] / base, 1)
    _tell(candidate.name, found)
    return found


def _tell(name: str, found: Found) -> None:
    print(f"{name}: {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
