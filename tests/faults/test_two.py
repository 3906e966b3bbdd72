"""Two faults at once: the one that blocks first is named, the other one is mentioned."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults import at_home as home
from tests.faults.asking import Answers, ids
from tests.faults.homes import homes
from tests.faults.over_http import BEARER, nobody, server
from tests.faults.scene import Fault

_WANTS = ("Authorization", "Bearer right")
_MINUTE_AGO = partial(home.needs_auth, ahead=-60.0)

PAIRS = (
    Fault(
        "down-404",
        "no gateway, no endpoint",
        "",
        "MC215",
        server(status=404),
        also=("MC268",),
        gateway=False,
    ),
    Fault(
        "down-401",
        "no gateway, no key",
        "",
        "MC215",
        server(wants=_WANTS),
        also=("MC260",),
        gateway=False,
    ),
    Fault(
        "down-refused",
        "no gateway, nothing listens",
        "",
        "MC215",
        nobody,
        also=("MC245",),
        gateway=False,
    ),
    Fault(
        "added-down",
        "no sync since it was added, no gateway",
        "",
        "MC200",
        None,
        inject=home.added,
        also=("MC215",),
        gateway=False,
    ),
    Fault(
        "broken-down",
        "mcpconf.toml is broken, no gateway",
        "",
        "MC080",
        home.works,
        home.broken_toml,
        also=("MC215",),
        gateway=False,
    ),
    Fault(
        "edited-403",
        "edited since the sync, 403",
        "",
        "MC220",
        server(status=403),
        inject=partial(home.edited, headers={"X-New": "1"}),
        also=("MC264",),
    ),
    Fault(
        "moved-500",
        "the gateway is to listen elsewhere, the server is broken",
        "",
        "MC216",
        server(status=500),
        inject=home.moved_gateway,
        also=("MC271",),
    ),
    Fault(
        "refused-remembered",
        "nothing listens, a stale cache",
        "",
        "MC245",
        nobody,
        _MINUTE_AGO,
        also=("MC290",),
    ),
    Fault(
        "tools-remembered",
        "tools want a token, a stale cache",
        "",
        "MC284",
        server(on="tools/list", wants=_WANTS, headers=BEARER),
        _MINUTE_AGO,
        also=("MC290",),
    ),
    Fault(
        "approved-by-itself",
        "not approved, and the project's own approval does not count",
        "",
        "MC031",
        None,
        home.approved_by_itself,
        also=("MC039",),
        gateway=False,
    ),
)


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with Answers(homes(PAIRS)) as asked:
        yield asked


@pytest.mark.parametrize("pair", PAIRS, ids=ids)
def test_the_first_is_named_and_the_other_mentioned(pair: Fault, answers: Answers) -> None:
    answer = answers[pair.name]
    also = [other["code"] for other in answer["also"]]
    assert (answer["verdict"]["code"], answer["exit"]) == (pair.code, 1), answer
    assert set(pair.also) <= set(also), answer
    assert "MC299" not in also
