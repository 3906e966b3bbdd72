"""How long a text may be, in bytes."""

from __future__ import annotations

LONGEST = 64 * 1024 * 1024  # one message; results of 10 MB are real
LITTLE, MUCH = 64 * 1024, 1024 * 1024  # to read at once: usually, and while more is there
HEAD_LIMIT = 64 * 1024  # the head of an answer, a configuration
