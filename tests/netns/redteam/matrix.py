"""Verdicts of several runs side by side: ``python -m tests.netns.redteam.matrix FILE …``.

The files are those of ``--out``.  Rows are the kinds of checks (what stands before the first dot),
cells say how many fail; below them is which.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    runs = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    names = [run["candidate"] for run in runs]
    kinds = list(dict.fromkeys(_kind(check) for run in runs for check in run["checks"]))
    lines = [["checks", *names], ["---"] * (len(names) + 1)]
    lines += [[kind, *(_cell(run, kind) for run in runs)] for kind in kinds]
    lines.append(["**all**", *(_cell(run, None) for run in runs)])
    for line in lines:
        print(f"| {' | '.join(line)} |")
    for run in runs:
        failing = [check["id"] for check in run["checks"] if not check["pass"]]
        print(f"\n{run['candidate']}: {', '.join(failing) or 'nothing'} fails")
    return 0


def _kind(check: dict[str, str]) -> str:
    return check["id"].partition(".")[0]


def _cell(run: dict[str, list[dict[str, str]]], kind: str | None) -> str:
    checks = [check for check in run["checks"] if kind in (None, _kind(check))]
    passed = sum(bool(check["pass"]) for check in checks)
    if not checks:
        return "-"
    return f"{passed}/{len(checks)}" if passed == len(checks) else f"**{passed}/{len(checks)}**"


if __name__ == "__main__":
    sys.exit(main())
