"""What is known of a finding's code, and how bad a finding is."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """How bad it is: an error costs the user something, a warning may, a note only tells."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Rule(NamedTuple):
    """One code.  ``blocks``: nothing is written while such a finding stands."""

    severity: Severity
    title: str
    story: str
    blocks: bool = False
