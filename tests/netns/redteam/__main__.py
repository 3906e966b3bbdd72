"""Attack a firewall: ``python -m tests.netns.redteam [--groups basic,rotate] [--mode strict]``.

Without ``--apply`` it is this project's own.  Another is named by its commands, which run as root
in the container; what they find there is told in candidate.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

from tests.netns.lab.lab import Kind
from tests.netns.redteam.adapter import Ours, made
from tests.netns.redteam.candidate import Candidate, Commands
from tests.netns.redteam.groups import EXTRA, GROUPS, STRICT, Group, chosen
from tests.netns.redteam.suite import Suite


def main() -> int:
    options = _options()
    candidate = _candidate(options)
    kind = Kind(backend=options.backend, ipv6=not options.no_ipv6, bind=tuple(options.bind))
    suite = Suite(candidate, kind, verbose=options.verbose)
    wanted = chosen(options.groups, strict=candidate.strict)
    seconds = {}
    try:
        for name, group in wanted.items():
            sys.stdout.write(f"== {candidate.name}: {name}\n")
            begin = time.time()
            _run(suite, name, group)
            seconds[name] = round(time.time() - begin, 1)
    finally:
        suite.close()
    _report(suite, seconds)
    if options.out:
        checks = [{**check._asdict(), "pass": check.passed} for check in suite.checks]
        found = {"candidate": candidate.name, "seconds": seconds, "measured": suite.measured}
        options.out.write_text(json.dumps({**found, "checks": checks}, indent=1) + "\n")
    return int(not all(check.passed for check in suite.checks))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    known = ["all", *GROUPS, "extra", *EXTRA, *STRICT, "everything"]
    parser.add_argument("--groups", default="all", help=", ".join(known))
    parser.add_argument("--mode", default="default", choices=("default", "strict"))
    parser.add_argument("--program", type=Path, help="a mcpconf-fw, if not from the sources")
    parser.add_argument("--apply", help="apply another firewall")
    parser.add_argument("--reload", default="", help="reload it, if not by applying it again")
    parser.add_argument("--explain", default="", help="say what was blocked of {host}")
    parser.add_argument("--clean", default="", help="forget its state")
    parser.add_argument("--lazy", action="store_true", help="it resolves names when they are used")
    parser.add_argument("--bind", action="append", default=[], help="a directory that it needs")
    parser.add_argument("--backend", default="nft", choices=("nft", "legacy"))
    parser.add_argument("--no-ipv6", action="store_true", help="in a container without IPv6")
    parser.add_argument("--out", type=Path, help="write all verdicts as JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="show what passes, too")
    return parser.parse_args()


def _candidate(options: argparse.Namespace) -> Candidate:
    if not options.apply:
        program = options.program.read_bytes() if options.program else made()
        return Ours(options.mode, program)
    words = options.apply, options.reload, options.explain, options.clean, options.lazy
    return Candidate("commands", Commands(*words))


def _run(suite: Suite, name: str, group: Group) -> None:
    try:
        group(suite)
    except Exception as error:  # noqa: BLE001  # the other groups have their own laboratories
        traceback.print_exc()
        suite.record(f"{name}.suite-error", "suite", "ok", f"{error!r:.200}")


def _report(suite: Suite, seconds: dict[str, float]) -> None:
    tiers: dict[str, list[bool]] = {}
    for check in suite.checks:
        tiers.setdefault(check.tier, []).append(check.passed)
    told = "  ".join(f"{tier} {sum(all_)}/{len(all_)}" for tier, all_ in sorted(tiers.items()))
    passed = sum(check.passed for check in suite.checks)
    sys.stdout.write(f"{passed}/{len(suite.checks)} pass   {told}\n")
    sys.stdout.write("".join(f"{name} {time} s  " for name, time in seconds.items()) + "\n")


if __name__ == "__main__":
    sys.exit(main())
