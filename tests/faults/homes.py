"""Homes that several faults share, and those of their own: built, asked about by one call, ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from tests.faults import certificates
from tests.faults.asking import Answer, Job, explained
from tests.faults.scene import Fault, Scene


def homes(faults: Iterable[Fault], **how: Any) -> list[Job]:
    """A job for each home."""
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        found.setdefault(fault.home or fault.name, []).append(fault)
    return [([f.name for f in some], partial(_asked, some, how)) for some in found.values()]


def _asked(faults: Sequence[Fault], how: dict[str, Any]) -> Sequence[Answer]:
    with Scene(faults, **how) as scene:
        scene.env |= certificates.trusted(scene.root)
        return explained(scene.build().compile(), *(fault.name for fault in faults))
