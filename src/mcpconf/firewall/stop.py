"""``stop``: the engines end and all stays closed; with ``--open`` nothing of ours is left."""

from __future__ import annotations

import os
import sys

from mcpconf.firewall.ending import end_engines
from mcpconf.firewall.filters import open_again
from mcpconf.firewall.look import RESOLV, RefusedError, may_rule
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.run import complain
from mcpconf.firewall.site import original_resolv
from mcpconf.firewall.state import read_file


def stop(paths: Paths, *, opened: bool) -> int:
    """End what runs; returns the exit code."""
    try:
        may_rule()
    except RefusedError as error:
        complain(str(error), *error.helps)
        return 4
    end_engines(paths)
    if opened:
        _open(paths)
        sys.stdout.write("the firewall is gone; everything may leave this container\n")
    else:
        sys.stdout.write("the engines have ended; no name resolves, nothing new may leave\n")
    return 0


def _open(paths: Paths) -> None:
    open_again()
    text = read_file(RESOLV)
    if original_resolv(text) != text:
        try:
            with open(RESOLV, "w", encoding="utf-8") as file:
                file.write(original_resolv(text))
        except OSError as error:
            complain(f"{RESOLV} cannot be written: {error.strerror}")
    if os.path.isdir(paths.run):
        import shutil  # noqa: PLC0415  nobody else needs it

        shutil.rmtree(paths.run, ignore_errors=True)
