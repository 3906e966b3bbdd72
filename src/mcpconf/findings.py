"""Findings: what is wrong or worth knowing, as values, each with a place and a way out.

A finding is written in full where it is found.  The table of codes is in ``codes.py``.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.codes import RULES, Rule, Severity
from mcpconf.origin import Origin


class Finding(NamedTuple):
    """One thing found.

    ``message`` is lower case, without a full stop, alone enough to act on, and holds foreign text
    only escaped and never a secret.  ``notes`` add facts, each ``help`` is something to do.
    """

    code: str
    message: str
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        return RULES[self.code]

    @property
    def severity(self) -> Severity:
        return self.rule.severity


def blocking(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Pick the findings that forbid writing."""
    return tuple(f for f in findings if f.rule.blocks)
