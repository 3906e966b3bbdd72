"""How planning grows with the number of servers.

Whole process: ``mcpconf plan`` for 1,000 servers over three scopes beside 10 (start-up included).
In process: the compile alone, from parsed texts to artifacts, for 10,000 servers beside 1,000.

    python bench/scale.py [--runs N]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.compiler import compile_project
from mcpconf.readers.inputs import Request
from mcpconf.readers.places import find_places
from mcpconf.readers.surroundings import look_around
from mcpconf.readers.target import find_target
from mcpconf.readers.world import read_configuration
from mcpconf.survey import survey

PLAN_GOAL, COMPILE_GOAL = 5.0, 12.0


def main() -> int:
    """Measure both, print, and say whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    gc.disable()  # as the command line does
    small, large = (median_of(n, runs, whole_process) for n in (10, 1000))
    print(f"plan, 10 servers      {small * 1000:7.0f} ms")
    print(
        f"plan, 1000 servers    {large * 1000:7.0f} ms   ratio {large / small:.2f} (goal: under 5)"
    )
    few, many = (median_of(n, 3, compile_only) for n in (1000, 10_000))
    print(f"compile, 1000         {few * 1000:7.0f} ms")
    print(
        f"compile, 10000        {many * 1000:7.0f} ms   ratio {many / few:.2f} (goal: at most 12)"
    )
    return 0 if large / small < PLAN_GOAL and many / few <= COMPILE_GOAL else 1


def entry(i: int) -> dict[str, object]:
    """One of four kinds of server."""
    return (
        {"type": "http", "url": f"https://mcp{i}.example.com/mcp"},
        {"type": "http", "url": f"https://api{i}.example.com/mcp", "headers": {"X-Key": f"k{i}"}},
        {"command": "npx", "args": ["-y", f"server-{i}"], "env": {"LEVEL": "debug"}},
        {"type": "http", "url": f"http://localhost:{2000 + i % 60000}/mcp"},
    )[i % 4]


def make_home(home: Path, servers: int) -> Path:
    """Spread the servers over user, project and local scope."""
    project = home / "project"
    (home / ".claude").mkdir()
    project.mkdir()
    names = [f"server{i}" for i in range(servers)]
    scopes = [{n: entry(i) for i, n in enumerate(names) if i % 3 == k} for k in range(3)]
    document = {"mcpServers": scopes[0], "projects": {str(project): {"mcpServers": scopes[1]}}}
    (home / ".claude.json").write_text(json.dumps(document, indent=2))
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": scopes[2]}, indent=2))
    (home / ".claude/settings.json").write_text('{"enableAllProjectMcpServers": true}')
    return project


def median_of(servers: int, runs: int, measure) -> float:  # noqa: ANN001
    """The median of several runs on one home, after a warm-up."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory).resolve()
        project = make_home(home, servers)
        return statistics.median([measure(home, project) for _ in range(runs + 1)][1:])


def whole_process(home: Path, project: Path) -> float:
    """Seconds that one `mcpconf plan` takes."""
    ours = shutil.which("mcpconf", path=str(Path(sys.executable).parent)) or "mcpconf"
    command = [ours, "plan", "--home", str(home), "--project", str(project)]
    start = time.perf_counter()
    subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    return time.perf_counter() - start


def compile_only(home: Path, project: Path) -> float:
    """Seconds that the compile takes, the files already read."""
    configuration = read_configuration(Request(home, project, {}, CLIENTS[NEWEST]))
    places = find_places(home)
    around = look_around(configuration, places)
    target = find_target(configuration.cwd, configuration.key, places)
    start = time.perf_counter()
    compile_project(survey(configuration), around, target)
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
