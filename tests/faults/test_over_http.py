"""Faults of remote servers: each cause is named, by the program, on real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import certificates
from tests.faults.asking import Answers, check, chosen, explained, ids
from tests.faults.over_http import FAULTS
from tests.faults.scene import Fault, Scene


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """All in one home, behind one gateway."""
    faults = chosen(request, FAULTS)
    with Scene(faults) as scene:
        scene.env |= certificates.trusted(scene.root)
        scene.build().compile()
        jobs = [(f.name, lambda name=f.name: explained(scene, name)) for f in faults]
        with Answers(jobs) as asked:
            yield asked


@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
