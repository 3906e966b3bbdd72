"""What the documentation shows is true: its TOML parses, and what comments cite is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcpconf.findings import Finding
from mcpconf.origin import Source
from mcpconf.readers.policy_file import read_policy_file
from mcpconf.readers.whitelist import Layer

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src/mcpconf").rglob("*.py"))


def toml_blocks() -> list[str]:
    page = (ROOT / "docs/configuration.md").read_text("utf-8")
    return re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", toml_blocks(), ids=lambda block: block.splitlines()[0][2:32])
def test_the_examples_of_mcpconf_toml_are_read(block: str) -> None:
    findings: list[Finding] = []
    read_policy_file(Source("mcpconf.toml", block), Layer.USER, findings, "mcpconf.toml")
    assert bool(findings) is block.startswith("# refused"), findings


def test_every_fact_that_a_comment_cites_is_written_down() -> None:
    page = (ROOT / "docs/client.md").read_text("utf-8")
    known = set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))
    code = "\n".join(path.read_text("utf-8") for path in SOURCES)
    cited = re.findall(r"\bfacts? (\d+(?:(?:-|, | and | to )\d+)*)", code)
    assert {n for numbers in cited for n in re.findall(r"\d+", numbers)} <= known


def test_every_module_has_its_line_in_the_architecture() -> None:
    pages = ("docs/architecture.md", "docs/runtime.md", "docs/firewall.md", "docs/diagnosis.md")
    page = "".join((ROOT / name).read_text("utf-8") for name in pages)
    names = {path.name for path in SOURCES if path.stat().st_size}
    assert [name for name in sorted(names) if name not in page] == []
