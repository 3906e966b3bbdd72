"""Random configurations, asked of the real client and of mcpconf.

`MCPCONF_DIFFERENTIAL` is the number of seeds (default 24), `MCPCONF_SEED` the first one.
A difference is reproduced, and made small, by `python -m tests.parity.generate --seed N`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import generate, oracle, world

FIRST = int(os.environ.get("MCPCONF_SEED", "1"))
COUNT = int(os.environ.get("MCPCONF_DIFFERENTIAL", "24"))


def modes(seed: int) -> list[str]:
    """A list for every seed, a session for each fourth."""
    return ["interactive", "session"] if seed % 4 == 0 else ["interactive"]


@pytest.mark.parametrize("seed", range(1, 50))
def test_a_seed_is_a_reproduction(seed: int) -> None:
    assert generate.generate(seed) == generate.generate(seed)


@pytest.mark.client
@pytest.mark.sample(4)
@pytest.mark.parametrize("version", oracle.VERSIONS)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_mcpconf_and_the_client_agree(seed: int, version: str, tmp_path: Path) -> None:
    if oracle.client_path(version) is None:
        pytest.skip("run `python -m tests.parity.install_clients`")
    case = generate.generate(seed)
    if case.get("managed") and not world.namespaces_work():
        pytest.skip("needs the right to make a mount namespace")
    found = list(generate.problems(case, version, modes(seed), tmp_path))
    again = f"--seed {seed} --count 1 --client {version}"
    assert found == [], f"python -m tests.parity.generate {again}"
