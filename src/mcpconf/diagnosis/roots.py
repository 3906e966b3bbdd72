"""The certificates that the client trusts beside the system's: Mozilla's, as it carries them."""

from __future__ import annotations

from pathlib import Path


def trusted_roots() -> str:
    """The path of Mozilla's list; "" where there is none."""
    try:
        import certifi  # noqa: PLC0415  the list as a package
    except ImportError:
        return ""
    return certifi.where()


def roots_as_text() -> str:
    """The same list as PEM, for a place that has no certificates of its own."""
    try:
        return Path(trusted_roots()).read_text("ascii") if trusted_roots() else ""
    except (OSError, UnicodeError):
        return ""
