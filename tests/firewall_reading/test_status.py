"""What the keeper's log says of the last refresh."""

from __future__ import annotations

import pytest

from mcpconf.firewall.status import refresh_fault

GOOD = "in force (default): 1 names, 0 addresses, 0 hosts beside the container\n"
BAD = "mcpconf-fw: /etc/mcpconf/egress.json cannot be read: it is not JSON\n  help: run it\n"
STAYS = "mcpconf-fw: what was in force stays\n"


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("", ""),
        (GOOD, ""),
        (GOOD + BAD + STAYS, "/etc/mcpconf/egress.json cannot be read: it is not JSON"),
        (BAD + STAYS + GOOD, ""),
        ("mcpconf-fw: rows[0]: odd\n" + GOOD, ""),
        (GOOD + "mcpconf-fw: \x1b[31mred\n" + STAYS, "?[31mred"),
        ("x" * 30_000 + "\n" + BAD + STAYS, BAD[12:].partition("\n")[0]),
        (GOOD + "sh: Cannot fork\n" + STAYS, ""),
    ],
)
def test_why_a_refresh_failed(log: str, why: str) -> None:
    assert refresh_fault(log) == why
