"""Faults of a whole container, one after the other: broken, asked about, mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.asking import check, explained
from tests.faults.in_container import CHANGES, HEALTHY, Change
from tests.faults.site import Site
from tests.faults.test_in_container import needs_root

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    needs_root()
    with Site(HEALTHY) as site:
        site.build().compile()
        yield site


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.fault.name)
def test_the_cause_is_named(change: Change, site: Site) -> None:
    change.do(site)
    try:
        check(change.fault, explained(site, change.server))
    finally:
        change.undo(site)


@pytest.mark.parametrize("name", ["direct", "behind", "inside"])
def test_all_is_well_again(name: str, site: Site) -> None:
    answer = explained(site, name)
    assert answer["works"], answer
    assert answer["verdict"] is None, answer
