"""What of the user's ``~/.claude.json`` the container's own copy starts with: no login, no server.

A list of what is taken, not of what is left out: a key that a later version of Claude Code brings
stays on the host.
"""

from __future__ import annotations

import json
from typing import Any

_WORDS = ("theme", "editorMode", "lastOnboardingVersion")
_SWITCHES = ("hasCompletedOnboarding", "autoCompactEnabled", "verbose")
_OF_PROJECT = ("hasTrustDialogAccepted", "hasCompletedProjectOnboarding")
_LONGEST = 40  # characters


def preferences(text: str, projects: tuple[str, ...]) -> str:
    """The text of a file that DDEV takes for ours; ``projects`` are the keys of the project."""
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        document = {}
    document = document if isinstance(document, dict) else {}
    taken: dict[str, Any] = {"#ddev-generated": True}
    taken |= {key: document[key] for key in _WORDS if _is_word(document.get(key))}
    taken |= {key: document[key] for key in _SWITCHES if isinstance(document.get(key), bool)}
    known = document.get("projects")
    for key in projects:
        of_project = known.get(key) if isinstance(known, dict) else None
        if isinstance(of_project, dict):
            switches = {k: True for k in _OF_PROJECT if of_project.get(k) is True}
            taken.setdefault("projects", {})[key] = switches
    return json.dumps(taken, indent=2, sort_keys=True) + "\n"


def _is_word(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST
        and value.isascii()
        and all(c.isalnum() or c in ".-_ " for c in value)
    )
