"""How long `mcpconf list` takes beside Claude Code itself, on the same home.

The home has a 6 MB ``.claude.json`` and 20 servers.  Claude Code is asked for a server that does
not exist (``claude mcp get x``), so that it starts none.  Both run in turn; what counts is the
ratio of the medians.

    python bench/startup.py [--claude PATH] [--runs N] [--format text|json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.5


def main() -> int:
    """Measure, print, and say whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / ".clients/2.1.328/node_modules/.bin/claude"
    parser.add_argument("--claude", default=os.environ.get("MCPCONF_CLAUDE_328", str(default)))
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--format", default="text", choices=("text", "json"))
    options = parser.parse_args()
    if not Path(options.claude).exists():
        sys.stderr.write("no Claude Code: run `make parity` first\n")
        return 2
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        project = make_home(home)
        ours = shutil.which("mcpconf", path=str(Path(sys.executable).parent)) or "mcpconf"
        commands = {
            "mcpconf list": [
                ours,
                "list",
                "--home",
                str(home),
                "--project",
                str(project),
                "--format",
                options.format,
            ],
            "claude mcp get x": [options.claude, "mcp", "get", "x"],
        }
        times = measure(commands, options.runs, home, project)
    for name, seconds in times.items():
        print(
            f"{name:18} median {statistics.median(seconds) * 1000:6.0f} ms"
            f"  min {min(seconds) * 1000:6.0f}  max {max(seconds) * 1000:6.0f}"
        )
    ours_median, theirs_median = map(statistics.median, times.values())
    ratio = ours_median / theirs_median
    print(f"ratio {ratio:.2f} (goal: under {GOAL})")
    return 0 if ratio < GOAL else 1


def make_home(home: Path, servers: int = 20, size: int = 6_000_000) -> Path:
    """Write a home like a long-used one: histories of many projects, some servers."""
    entry = {"allowedTools": [], "mcpServers": {}, "hasTrustDialogAccepted": True}
    line = {"display": "x" * 160, "pastedContents": {}}
    document = {
        "numStartups": 500,
        "mcpServers": {
            f"server{i}": {"type": "http", "url": f"https://mcp{i}.example.com/mcp"}
            for i in range(servers)
        },
        "projects": {},
    }
    count = size // (60 * 220)
    for i in range(count):
        document["projects"][f"/home/dev/project{i}"] = {**entry, "history": [line] * 60}
    (home / ".claude.json").write_text(json.dumps(document, indent=2))
    project = home / "project"
    project.mkdir()
    return project


def measure(
    commands: dict[str, list[str]], runs: int, home: Path, project: Path
) -> dict[str, list[float]]:
    """Run the commands in turn; the first round is a warm-up."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    original = (home / ".claude.json").read_bytes()
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            (home / ".claude.json").write_bytes(original)
            start = time.perf_counter()
            subprocess.run(command, cwd=project, env=environment, capture_output=True, check=False)
            times[name].append(time.perf_counter() - start)
    return {name: seconds[1:] for name, seconds in times.items()}


if __name__ == "__main__":
    raise SystemExit(main())
