"""Faults in what is written, stored, started and remembered: each in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.asking import Answers, check, chosen, ids
from tests.faults.at_home import FAULTS
from tests.faults.homes import Homes
from tests.faults.scene import Fault


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """One scene a home, made by whoever asks in it first."""
    faults = chosen(request, FAULTS)
    with Homes(faults) as homes, Answers((f.name, partial(homes.ask, f)) for f in faults) as asked:
        yield asked


@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
