"""Faults on the way to servers far away: real resolver, real filters, in a network of the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import certificates
from tests.faults.asking import Answer, Answers, check, chosen, explained, ids
from tests.faults.networks import Internet
from tests.faults.over_network import FAULTS, PROXIES
from tests.faults.scene import Fault, Scene

pytestmark = pytest.mark.netns


def explained_alone(fault: Fault, net: Internet) -> Answer:
    with Scene([fault], inside=net.inside, listen=net.listen) as scene:
        scene.env |= certificates.trusted(scene.root)
        scene.build().compile()
        return explained(scene, fault.name)


@pytest.fixture(scope="module")
def answers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Answers]:
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("needs root, for network namespaces")
    folder: Path = tmp_path_factory.mktemp("net")
    faults = chosen(request, [*FAULTS, *PROXIES])
    shared = [fault for fault in faults if fault not in PROXIES]
    with Internet(folder) as net, Scene(shared, inside=net.inside, listen=net.listen) as scene:
        scene.env |= certificates.trusted(scene.root)
        scene.build().compile()
        jobs = [(f.name, lambda f=f: explained(scene, f.name)) for f in shared]
        jobs += [(f.name, lambda f=f: explained_alone(f, net)) for f in faults if f in PROXIES]
        with Answers(jobs) as asked:
            yield asked


@pytest.mark.parametrize("fault", [*FAULTS, *PROXIES], ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
