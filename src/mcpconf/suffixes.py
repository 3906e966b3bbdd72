"""Domains under which strangers register names, by https://publicsuffix.org.

The list is a package's.  It is read for one top-level domain at a time: all of it takes 0.15 s.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def is_suffix(name: str) -> bool:
    """Whether an ASCII name in lower case is a public suffix, the private ones included."""
    return _below(name.rpartition(".")[2]).is_public(name)


@cache
def _below(top: str) -> PublicSuffixList:
    from publicsuffixlist import PSLFILE, PublicSuffixList  # noqa: PLC0415

    spelled = {top}
    with suppress(UnicodeError):
        spelled.add(top.encode().decode("idna"))
    with open(PSLFILE, encoding="utf-8") as rules:
        return PublicSuffixList([rule for rule in rules if _top(rule) in spelled])


def _top(rule: str) -> str:
    return rule.partition(" ")[0].rstrip().rpartition(".")[2]
