"""Faults in a container with the real firewall, bridge and gateway; the engine is a stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.asking import Answers, check, chosen, explained, ids
from tests.faults.in_container import COMMANDS, FAULTS, PLAIN
from tests.faults.scene import Fault
from tests.faults.site import Site

pytestmark = pytest.mark.netns


def needs_root() -> None:
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("needs root, for network namespaces")


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """All in one container; what Claude Code there asks by itself is in a second one."""
    needs_root()
    with Site(chosen(request, FAULTS)) as site:
        site.build().compile()
        commands = [f.name for f in COMMANDS if f.name in site.faults]
        jobs = [(commands, partial(explained, site, *commands))] if commands else []
        ways = [name for name in site.faults if name not in commands]
        jobs += [([name], partial(explained, site, name)) for name in ways]
        with Site(chosen(request, PLAIN), 'http = "plain"') as other:
            other.build().compile()
            jobs.append(([*other.faults], partial(explained, other, *other.faults)))
            with Answers(jobs, at_once=2) as asked:
                yield asked


@pytest.mark.sample(2)
@pytest.mark.parametrize("fault", [*FAULTS, *PLAIN], ids=ids)
def test_the_cause_is_named(fault: Fault, answers: Answers) -> None:
    check(fault, answers[fault.name])
