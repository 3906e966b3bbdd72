"""docs/explain.md shows what is really printed: ``BLESS=1`` writes it anew."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

from tests.conftest import House, build

PAGE = Path(__file__).parents[2] / "docs/explain.md"
PRINTED = re.compile(
    r"(<!-- printed -->\n```\n)\$ (mcpconf explain .*)\n((?:(?!```).*\n)*)(```\n<!-- /printed -->)"
)
SERVERS = {
    "crm": {"type": "http", "url": "https://crm.example/mcp"},
    "notes": {
        "type": "http",
        "url": "https://notes.example/mcp",
        "headers": {"X-Api-Key": "${NOTES_KEY:-k3y}"},
    },
    "files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "."]},
}
LOG = (
    {"debug": "Initializing HTTP transport to https://notes.example/mcp"},
    {"debug": 'HTTP transport options: {"headers":{"User-Agent":"claude-code/2.1.197 (sdk-cli)"}}'},
    {"error": "Connection failed: Streamable HTTP error: Unexpected content type: text/html"},
)


def at_home(tmp_path: Path) -> House:
    house = build(tmp_path, {"home/.claude.json": {"mcpServers": SERVERS}})
    slug = re.sub(r"[^a-zA-Z0-9]", "-", str(house.project))
    when = {"timestamp": "2026-01-02T03:04:05.678Z", "cwd": "/w/shop"}
    text = "".join(json.dumps({**record, **when}) + "\n" for record in LOG)
    for folder in (slug, "-w-shop"):
        name = f"home/.cache/claude-cli-nodejs/{folder}/mcp-logs-notes/2026-01-02T03-04-05.jsonl"
        house.put(name, text)
    return house


def printed(house: House, command: str) -> str:
    words = [w.replace("~", str(house.home), 1) for w in shlex.split(command)[1:]]
    said = house.run(*words)
    assert said.code == 0, said.err
    return said.out.replace(str(house.home), "~")


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    house = at_home(tmp_path)
    page = PAGE.read_text("utf-8")

    def anew(found: re.Match[str]) -> str:
        return f"{found[1]}$ {found[2]}\n{printed(house, found[2])}{found[4]}"

    made, count = PRINTED.subn(anew, page)
    assert count == page.count("<!-- printed -->")
    if os.environ.get("BLESS"):
        PAGE.write_text(made, "utf-8")
    assert made == PAGE.read_text("utf-8")
