"""Ask the real clients what they print for each fault, and write it into said.json.

python -m tests.diagnosis.record [VERSION...]
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.parity import oracle
from tests.parity.world import World, build

from .rows import Group, groups

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("said.json")
_MOST = 6  # lines of a log
_CUT = 400


def record(version: str) -> dict[str, dict[str, Any]]:
    """Row → what that version says of it."""
    client = oracle.client_path(version)
    if client is None:
        sys.exit(f"{version} is not installed: python -m tests.parity.install_clients")
    found: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as held, tempfile.TemporaryDirectory() as folder:
        for name, group in groups(held, Path(folder)).items():
            found |= ask(group, Path(folder) / name, client)
    return found


def ask(group: Group, root: Path, client: Path) -> dict[str, dict[str, Any]]:
    """One list and one session of a group's world."""
    entries = {name: row.entry for name, row in group.rows.items() if row.entry}
    projects = {"{PROJ}": {"disabledMcpServers": list(group.disabled)}}
    own = {"mcpServers": entries, "projects": projects}
    files = {"{HOME}/.claude.json": own, **group.files}
    case = {"files": files, "env": group.env, "nowait": not group.wait}
    world = build(case, root / "session")
    session = oracle.session(world, client, [])["session"]
    world = build(case, root / "list")
    said = oracle.run(world, [str(client), "mcp", "list"], world.env, 120)
    return {
        name: {
            "code": row.code,
            "listed": neutral(listed(said.out, name), root),
            "session": session.get(name, {}).get("status", "absent"),
            "log": [neutral(line, root) for line in logged(world, name)],
        }
        for name, row in group.rows.items()
    }


def listed(out: str, name: str) -> str:
    """The line of one server."""
    return next((line for line in out.splitlines() if line.startswith(f"{name}: ")), "")


def logged(world: World, name: str) -> list[str]:
    """The last lines of the client's log of a server."""
    folder = world.home / ".cache" / "claude-cli-nodejs"
    files = sorted(folder.glob(f"*/mcp-logs-{re.sub('[^a-zA-Z0-9]', '-', name)}/*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    kept = [{k: r[k][:_CUT] for k in ("error", "debug") if k in r} for r in lines[-_MOST:]]
    return [json.dumps(record, ensure_ascii=False) for record in kept]


def neutral(text: str, root: Path) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"((?:127\.0\.0\.1|localhost):)[0-9]+", r"\g<1>PORT", text)
    for python in (sys.executable, os.path.realpath(sys.executable)):
        text = text.replace(python, "python3")
    text = text.replace(str(root.parent), "/tmp/x").replace(str(CHECKOUT), "/checkout")
    return re.sub(r"[0-9]+ ?ms\b", "4000ms", text)


def main() -> int:
    """Write the file after each version; versions that are not asked stay as they are."""
    recorded = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    for version in sys.argv[1:] or oracle.VERSIONS:
        for name, said in record(version).items():
            row = recorded.setdefault(name, {"code": said["code"]})
            row["code"] = said.pop("code")
            row[version] = said
        text = json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True)
        FILE.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
