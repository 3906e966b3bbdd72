"""What verdicts say that Claude Code prints, held against what it printed, and understood again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mcpconf.diagnosis import shows
from mcpconf.diagnosis.words.said import read

SAID = json.loads(Path(__file__).with_name("said.json").read_text("utf-8"))
ROWS = {
    "refused": ("proxy",),
    "no-name": ("no-name",),
    "unknown-ca": ("self-signed",),
    "expired": ("old-certificate",),
    "not-yet": ("not-yet",),
    "not-http": ("not-http",),
    "wrong-name": ("wrong-name",),
    "closed": ("cut",),
    "tls-port": ("plain-to-tls",),
    "plain": ("tls-to-plain",),
    "circle": ("loop",),
    "hang": ("silent", "too-slow", "dropped", "garbage"),
    "slow": ("slow",),
    "no-metadata": ("401", "401-key"),
    "metadata-empty": ("401-empty",),
    "metadata-html": ("401-html",),
    "metadata-error": ("401-500",),
    "login": ("login", "helper", "scope", "403", "403-oauth", "401-key-oauth", "orphaned", "expired"),
    "no-registration": ("unregistered",),
    "authorization": ("401-bearer", "401-variable", "401-nothing", "away", "403-bearer"),
    "not-found": ("404",),
    "status": ("400", "402", "405", "406", "410", "415", "429", "500", "502", "503", "504", "go301"),
    "content": ("to-page",),
    "empty": ("empty", "204"),
    "sse-status": ("new-as-old",),
    "sse-content": ("page-as-old",),
    "old-transport": ("old-as-new",),
    "protocol": ("future",),
    "error": ("rpc-error",),
    "no-tools": ("tools-error", "tools-401"),
    "tools-login": ("tools-401-bearer", "tools-401-oauth"),
}  # fmt: skip
PAIRS = [(key, row) for key, rows in ROWS.items() for row in rows]
# A session of `-p` does not wait for a server that is slow to fail; these were recorded waiting.
WAITED = {"garbage"}


def as_pattern(text: str) -> str:
    """A text of the table with its gaps open: `{word}`, `…`, and a full stop before more text."""
    parts = re.split(r"\{\w+\}|…", text)
    return ".*".join(re.escape(part) for part in parts)


@pytest.mark.parametrize(("key", "row"), PAIRS, ids=str)
def test_the_newer_client_prints_what_the_table_says(key: str, row: str) -> None:
    table = shows._TABLE[key]
    said = SAID[row]["2.1.328"]
    status, _, text = said["listed"].rpartition(" - ")[2].partition(" — ")
    assert status == table.status
    if table.text:
        assert re.match(as_pattern(table.text), text), text
    if row not in WAITED:
        assert said["session"] == table.session


@pytest.mark.parametrize(("key", "row"), PAIRS, ids=str)
def test_the_older_client_prints_a_status_alone(key: str, row: str) -> None:
    if SAID[row]["code"] == "MC267":
        return
    table = shows._TABLE[key]
    said = SAID[row]["2.1.197"]
    assert said["listed"].rpartition(" - ")[2] == (table.old_status or table.status)
    if row not in WAITED:
        assert said["session"] == (table.old_session or table.session)


@pytest.mark.parametrize("key", shows._TABLE)
def test_what_is_shown_is_understood(key: str) -> None:
    table = shows._TABLE[key]
    line = f"x: y (HTTP) - {table.status}" + (f" — {table.text}" if table.text else "")
    (said,) = read(line)
    assert said.phrase is not None
