"""Faults on the way to servers far away: real resolver, real filters, in a network of the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.asking import Answers, check, chosen, ids
from tests.faults.homes import homes
from tests.faults.networks import Internet
from tests.faults.over_network import FAULTS, PROXIES
from tests.faults.scene import Fault

ALL = (*FAULTS, *PROXIES)
pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def answers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Answers]:
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("needs root, for network namespaces")
    folder: Path = tmp_path_factory.mktemp("net")
    with (
        Internet(folder) as net,
        Answers(homes(chosen(request, ALL), inside=net.inside, listen=net.listen)) as asked,
    ):
        yield asked


@pytest.mark.parametrize("fault", ALL, ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
