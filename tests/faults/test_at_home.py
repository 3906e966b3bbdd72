"""Faults in what is written, stored, started and remembered: in homes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.asking import Answers, check, chosen, ids
from tests.faults.at_home import FAULTS
from tests.faults.homes import homes
from tests.faults.scene import Fault


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    with Answers(homes(chosen(request, FAULTS))) as asked:
        yield asked


@pytest.mark.sample(2)
@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
