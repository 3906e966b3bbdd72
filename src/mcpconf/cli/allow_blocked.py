"""``allow --blocked``: open what a container was refused, in one step."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import strftime
from typing import TYPE_CHECKING, NamedTuple

from mcpconf import report
from mcpconf.errors import Failure, Usage
from mcpconf.names import quote

if TYPE_CHECKING:
    from mcpconf.containers.running import Container, Place
    from mcpconf.contract import EgressRow
    from mcpconf.openable import Attempt, Choice, Dropped, Picked

_MOST_BYTES = 8_000_000
_MOST_NAMED = 5  # ports of a host, in a message


class Told(NamedTuple):
    """What containers were refused, as JSON; and the addresses of what they run on."""

    texts: tuple[str, ...]
    machine: frozenset[str] = frozenset()


def choose(
    words: Sequence[str],
    rows: Sequence[EgressRow],
    told: Told,
) -> list[Choice]:
    """What of these lists is to be opened: what ``words`` name, else what the user answers.

    Raises Usage where nobody can answer, or the answer is none.
    """
    from mcpconf import openable
    from mcpconf.containers.gateways import is_own
    from mcpconf.report import firewall as shown

    offered, dropped = openable.choices(
        _attempts(told.texts), rows, lambda address: address in told.machine or is_own(address)
    )
    if words:
        picked = _picked(words, offered, dropped)
        shown.left_closed(picked.left)
        return picked.found
    shown.offered(offered, dropped)
    if not offered:
        report.say("nothing was blocked that could be opened")
        return []
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        help_ = f"name what is to be open, such as: mcpconf allow --blocked {offered[0].place}"
        raise Usage("there is no terminal to ask on, so nothing was opened", help=help_)
    return _asked(offered)


def _picked(words: Sequence[str], offered: Sequence[Choice], dropped: Sequence[Dropped]) -> Picked:
    from mcpconf import openable

    try:
        return openable.picked(words, offered)
    except openable.NotBlockedError as error:
        found = quote(str(error))
        why = next((d.why for d in dropped if d.place.split(" on ")[0] == found), "")
        problem = f"{found}: {why}" if why else f"{found} was not blocked"
        raise Usage(problem, help="`mcpconf allow --blocked` shows what can be opened") from None
    except openable.NoPortError as error:
        several = ", ".join(error.places[:_MOST_NAMED])
        more = f" and {len(error.places) - _MOST_NAMED} more" * (len(error.places) > _MOST_NAMED)
        raise Usage(
            f"which port of {quote(str(error))} was not said, and it was not blocked on 443",
            note=f"blocked were {several}{more}",
            help=f"name the port: mcpconf allow --blocked {error.places[0]}",
        ) from None


def _asked(offered: Sequence[Choice]) -> list[Choice]:
    from mcpconf import openable

    sys.stderr.write("open which? numbers such as `1,3`, or `all` [none]: ")
    sys.stderr.flush()
    answer = openable.chosen(sys.stdin.readline(200), offered)
    if answer is None:
        raise Usage("that is no choice, so nothing was opened", help="answer `1,3`, or `all`")
    return answer


def _attempts(texts: Sequence[str]) -> list[Attempt]:
    from mcpconf import openable

    found = []
    for text in texts:
        try:
            found += openable.read_attempts(text)
        except openable.OtherListError as why:
            raise Failure(
                f"the list of what was blocked cannot be used: {why}",
                help="it is what `mcpconf-fw blocked --format json` prints in the container",
            ) from None
    return found


def lists_of(source: str, container: str, place: Place) -> Told:
    """What the containers were refused: from a file, else from those that run."""
    from mcpconf.containers import program, running

    if source:
        return Told((_read(source),))
    if container:
        return _told([running.named(container, os.environ)])
    if program.is_inside():
        return _told([None])
    found = running.running(place, os.environ)
    if not found:
        raise running.nothing_runs()
    return _told(found)


def _told(containers: Sequence[Container | None]) -> Told:
    from mcpconf.containers import gateways, program

    words = ["blocked", "--format", "json"]
    texts = [program.answer_of(one, words) for one in containers]
    return Told(tuple(texts), frozenset().union(*map(gateways.gateways_of, containers)))


def _read(source: str) -> str:
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(_MOST_BYTES)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(_MOST_BYTES)
    except OSError as error:
        raise Failure(f"{source} cannot be read: {error.strerror}") from error
    return raw.decode(errors="replace")


def usual_why() -> str:
    """The reason of a row that came this way."""
    return f"blocked in the container on {strftime('%Y-%m-%d')}"
