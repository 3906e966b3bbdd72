"""What is not there, and what to do about it."""

from __future__ import annotations


class Missing(Exception):  # noqa: N818  it says what is missing
    """A credential that cannot be had.

    Args:
        code: ``secret-missing``, ``stale-route``, ``helper-failed``, ``login-needed``,
            ``login-expired``, ``step-up`` or ``unreachable``.
        text: for people; it names files, variables and commands, never a value.
        retry: whether trying again later may help without anybody doing anything.

    """

    def __init__(self, code: str, text: str, *, retry: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry = retry
