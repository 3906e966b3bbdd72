"""Where the files we ship live.

In a wheel they stand beside the code, in ``mcpconf/_data``; in a checkout (an editable install)
they are the top-level folders of the repository.  Nobody else looks for them.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).resolve().parent / "_data"
_CHECKOUT = Path(__file__).resolve().parents[2]


def data(*parts: str) -> Path:
    """The path of a shipped file or folder, such as ``data("whitelist", "base.toml")``."""
    root = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return root.joinpath(*parts)
