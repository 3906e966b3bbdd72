"""The rules of this house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpconf.codes import RULES
from mcpconf.reasons import REASONS
from mcpconf.rules_page import rules_markdown

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src/mcpconf").rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 300, 40
TABLES = ("codes.py", "live_codes.py", "reasons.py")  # the tables themselves are data


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for module in MODULES:
        yield module, ast.parse(module.read_text())


def texts() -> Iterator[str]:
    """Every string in the source but the tables' own."""
    for module, tree in trees():
        if module.name not in TABLES:
            yield from (
                n.value
                for n in ast.walk(tree)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            )


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_and_functions_are_small(module: Path) -> None:
    text = module.read_text()
    if module.name not in TABLES:
        assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            first = min([d.lineno for d in node.decorator_list], default=node.lineno)
            own = node.end_lineno - first + 1
            assert own <= LONGEST_FUNCTION or "cli" in module.parts, f"{node.name}: {own} lines"


def test_every_code_that_is_used_is_in_the_table_and_the_other_way_round() -> None:
    used = {t for t in texts() if re.fullmatch(r"MC\d{3}", t)}
    assert used - RULES.keys() == set(), "used, but not in the table"
    assert RULES.keys() - used == set(), "in the table, but never used"


def test_every_reason_that_is_used_is_in_the_table_and_the_other_way_round() -> None:
    form = re.compile(r"(?:scope|approval|policy|state|entry|source|kind|route|egress)\.[a-z.-]+")
    used = {t for t in texts() if form.fullmatch(t) and not t.endswith(".json")}
    made = {
        r for r in REASONS if re.fullmatch(r"kind\.(?:http|oauth)\.catalogue", r)
    }  # an f-string
    assert used - REASONS.keys() == set(), "used, but not in the table"
    assert REASONS.keys() - used - made == set(), "in the table, but never used"


def test_the_page_of_rules_is_made_from_the_tables() -> None:
    page = ROOT / "docs/rules.md"
    if not page.exists():
        pytest.skip("docs/rules.md is not written yet")
    assert page.read_text() == rules_markdown()


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    assert [m.name for m in MODULES if marks.search(m.read_text())] == []


def test_every_module_says_what_it_is() -> None:
    silent = [m.as_posix() for m, tree in trees() if not ast.get_docstring(tree)]
    assert silent == []


def test_only_the_report_and_the_doors_print() -> None:
    allowed = {"report", "cli", "__main__.py", "rules_page.py"}
    printing = [
        module.relative_to(ROOT).as_posix()
        for module, tree in trees()
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
        if not allowed & set(module.relative_to(ROOT / "src/mcpconf").parts)
    ]
    assert printing == []


def test_no_string_of_ours_goes_to_a_shell() -> None:
    for module in MODULES:
        text = module.read_text()
        assert "shell=True" not in text, module
        assert "os.system" not in text, module


@pytest.mark.parametrize(
    ("variable", "marks"), [("MACHINES", "netns|engine"), ("RUNTIME", "runtime")]
)
def test_make_looks_for_marked_tests_where_they_are(variable: str, marks: str) -> None:
    (listed,) = re.findall(
        rf"^{variable} := .*,(.*)\)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    form = re.compile(rf"mark\.(?:{marks})\b")
    marked = {p for p in (ROOT / "tests").rglob("*.py") if form.search(p.read_text())}
    folders = {p.relative_to(ROOT / "tests").parts[0] for p in marked} - {"unit"}
    assert folders == set(listed.split())
