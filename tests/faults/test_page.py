"""The page has every fault, every fault has a row of the client's table, and nothing is unknown."""

from __future__ import annotations

import json

from tests.faults import page
from tests.faults.all import FAULTS, ROWS
from tests.faults.asking import BLESS, OURS, SAID


def test_the_page_is_what_was_said() -> None:
    if BLESS:
        page.write()
    assert page.parts()[1] == page.table(), "BLESS=1 rewrites it"


def test_the_records_are_of_these_faults() -> None:
    ours, said = json.loads(OURS.read_text()), json.loads(SAID.read_text())
    assert {f.name for f in FAULTS} <= set(ours)
    assert {f.name for f in FAULTS if f.heard} <= set(said)
    assert {f.name: f.code for f in FAULTS} == {f.name: ours[f.name]["code"] for f in FAULTS}


def test_each_row_of_the_clients_table_has_a_fault() -> None:
    assert set(ROWS) - {f.row for f in FAULTS} == set()
    assert {f.row for f in FAULTS} - {"", *ROWS} == set()


def test_the_names_differ() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 60
