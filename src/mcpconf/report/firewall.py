"""What the host says about a container's firewall: what can be opened, and what was passed on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from time import localtime, strftime

from mcpconf import report
from mcpconf.containers.uptake import Uptake
from mcpconf.openable import Choice, Dropped

_MOST = 200  # rows; whoever tries more is not read in full


def offered(choices: Sequence[Choice], dropped: Sequence[Dropped]) -> None:
    """Print what can be opened, numbered; then what cannot, and why."""
    if choices:
        report.table(
            ("", "host", "port", "tries", "last", "note"),
            [
                (str(number), c.host, str(c.port), str(c.tries), _moment(c.last), c.note or "-")
                for number, c in enumerate(choices[:_MOST], 1)
            ],
        )
        if len(choices) > _MOST:
            report.say(f"… and {len(choices) - _MOST} more")
    for one in dropped[:_MOST]:
        report.say(f"not offered: {report.safe(one.place)}: {report.safe(one.why)}")
    if len(dropped) > _MOST:
        report.say(f"… and {len(dropped) - _MOST} more that cannot be opened")


_NOT_TAKEN = {
    Uptake.BEHIND: "has not taken it up yet",
    Uptake.UNTOLD: "does not say whether it has it",
    Uptake.SILENT: "is not to be asked, so it may not have it",
}


def taken_up(known: Iterable[tuple[str, Uptake]]) -> None:
    """Say which containers' firewalls have what a sync wrote."""
    for name, uptake in known:
        who = f"the firewall of the container {report.safe(name)}"
        if uptake is Uptake.TAKEN:
            report.say(f"{who} has it")
        elif uptake is not Uptake.NONE:
            report.say(f"warning: {who} {_NOT_TAKEN[uptake]}")
            report.say("help: mcpconf firewall status")


def left_closed(choices: Sequence[Choice]) -> None:
    """Say what else was blocked at hosts that were named, and is not opened."""
    for one in choices[:_MOST]:
        report.say(f"not opened: {one.place}, which was blocked too; name it with its port")


def _moment(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", localtime(seconds)) if seconds else "-"


def piece(write: Callable[[str], object]) -> Callable[[str], None]:
    """A writer of foreign text in pieces: made harmless, and passed on at once."""

    def put(text: str) -> None:
        write("\n".join(map(report.safe, text.split("\n"))))
        sys.stdout.flush()

    return put
