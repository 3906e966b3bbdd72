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
        (answer,) = explained(site, change.server)
        check(change.fault, answer)
    finally:
        change.undo(site)


def test_all_is_well_again(site: Site) -> None:
    for answer in explained(site, *(fault.name for fault in HEALTHY)):
        assert (answer["works"], answer["verdict"]) == (True, None), answer
