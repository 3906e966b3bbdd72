"""Each engine starts once in a session, when the first test wants it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mcpconf.firewall import bundle
from tests.engines.engine import KINDS, Engine, running
from tests.engines.machine import OWNER


@pytest.fixture(scope="session")
def engine_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Engine]]:
    """Give the engine of a name, with ``mcpconf-fw`` in ``/opt/test`` of its containers."""
    started: dict[str, Engine] = {}
    kinds = {kind.name: kind for kind in KINDS}
    with ExitStack() as ending:

        def engine(name: str) -> Engine:
            if name not in started:
                state = tmp_path_factory.mktemp(name)
                started[name] = ending.enter_context(running(kinds[name], state))
                program = started[name].machine.files / "mcpconf-fw"
                bundle.write(program)
                if kinds[name].rootless:  # root there is its owner here
                    for path in (program.parent, program):
                        os.chown(path, OWNER, OWNER)
            return started[name]

        yield engine
