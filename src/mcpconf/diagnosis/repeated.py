"""What servers say in a handshake, without the keys that they like to repeat.  Pure.

It comes back through gateway and bridge, which know nothing of what they carry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mcpconf.diagnosis.attempt import Tried
from mcpconf.diagnosis.checks.scrub import Scrubber
from mcpconf.diagnosis.container_facts import InContainer
from mcpconf.diagnosis.evidence import Heard, Taken
from mcpconf.service.handshake import Outcome


def hiding(known: Iterable[str], tried: Tried) -> Callable[[str], str]:
    """Takes every secret that a server may have seen out of what it says."""
    resolved = tried.secrets.resolved if tried.secrets else None
    added = [value for _, value in resolved.headers] if resolved else []
    return Scrubber((*known, *added)).without_secrets


def _without_secrets(outcome: Outcome, hide: Callable[[str], str]) -> Outcome:
    return outcome._replace(
        message=hide(outcome.message), words=hide(outcome.words), refused=hide(outcome.refused)
    )


def told_by_others(heard: Heard | None, hide: Callable[[str], str]) -> Heard | None:
    """A handshake from this host, without secrets in what was said."""
    if heard is None:
        return None
    file = heard.file
    return heard._replace(
        outcome=_without_secrets(heard.outcome, hide),
        file=file and file._replace(word=hide(file.word), needs=hide(file.needs)),
        taken=_taken(heard.taken, hide),
    )


def _taken(taken: Taken | None, hide: Callable[[str], str]) -> Taken | None:
    return taken and taken._replace(misfit=hide(taken.misfit), whose=hide(taken.whose))


def told_there(there: InContainer, name: str, hide: Callable[[str], str]) -> InContainer:
    """The same of a server that was tried in a container."""
    seen = there.tried.get(name)
    if seen is None:
        return there
    outcome, taken = _without_secrets(seen.outcome, hide), _taken(seen.taken, hide)
    seen = seen._replace(words=hide(seen.words), outcome=outcome, taken=taken)
    return there._replace(tried={**there.tried, name: seen})
