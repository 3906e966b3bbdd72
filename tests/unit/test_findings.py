"""Findings and their table: every code has a story, and a message keeps its form."""

from __future__ import annotations

import re

import pytest

from mcpconf.codes import RULES, Severity
from mcpconf.findings import Finding, blocking
from mcpconf.origin import Origin, Source
from mcpconf.reasons import REASONS
from mcpconf.report import rendered, safe, summary

BANNED = ("illegal", "please", "failed to", "unexpected error", "invalid input")


@pytest.mark.parametrize("code", RULES)
def test_a_code_has_a_title_and_a_story(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"MC\d{3}", code)
    assert rule.title[0].islower() or rule.title.startswith("Claude ")
    assert not rule.title.endswith(".")
    assert rule.story.endswith((".", "!", "?"))
    assert not any(word in (rule.title + rule.story).lower() for word in BANNED)


def test_only_errors_block() -> None:
    assert all(r.severity is Severity.ERROR for r in RULES.values() if r.blocks)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_clause(reason: str) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z-]+){1,2}", reason)
    assert not REASONS[reason].endswith(".")


def test_codes_stand_in_their_order() -> None:
    assert list(RULES) == sorted(RULES)


def test_a_finding_is_rendered_in_its_form() -> None:
    source = Source("/x/.mcp.json", '{\n  "mcpServers": {\n    "linear": {}\n  }\n}')
    finding = Finding(
        "MC002",
        "`linear` has neither a `command` nor a `url`",
        Origin(source, ("mcpServers", "linear")),
        ("it has `comand`",),
        ("did you mean `command`?", "or delete it"),
    )
    assert rendered(finding) == (
        "error[MC002]: `linear` has neither a `command` nor a `url`\n"
        "  --> /x/.mcp.json:3:5  /mcpServers/linear\n"
        "note: it has `comand`\n"
        "help: did you mean `command`?\n"
        "help: or delete it"
    )
    assert rendered(finding, colour=True).startswith("\x1b[1;31merror[MC002]\x1b[0m: ")


def test_blocking_are_those_whose_rule_blocks() -> None:
    found = (Finding("MC002", "x"), Finding("MC010", "y"), Finding("MC031", "z"))
    assert [f.code for f in blocking(found)] == ["MC010"]


def test_findings_are_counted_in_words() -> None:
    found = [Finding(c, "x") for c in ("MC002", "MC031", "MC030", "MC011")]
    assert summary(found) == "1 error, 2 warnings, 1 note"
    assert summary([]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("größe ✓", "größe ✓"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb", r"a\r\nb"),
        ("\x9b", r"\x9b"),
        ("\u202eabc", r"\u202eabc"),
        ("a\u200bb", r"a\u200bb"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_foreign_text_is_shown_escaped(text: str, shown: str) -> None:
    assert safe(text) == shown
