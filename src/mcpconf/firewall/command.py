"""The command line of ``mcpconf-fw``."""

from __future__ import annotations

import gc
import os
import sys

from mcpconf.firewall.apply import drained, put_in_force
from mcpconf.firewall.blocked import blocked_command, fold_command
from mcpconf.firewall.keeper import keep_on
from mcpconf.firewall.paths import POLICY, Paths
from mcpconf.firewall.status import status_command
from mcpconf.firewall.stop import stop
from mcpconf.firewall.verify import verify_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE = f"""\
usage: mcpconf-fw apply [--policy FILE]      close this container, then open what the file lists
       mcpconf-fw refresh [--policy FILE]    the same for what has changed; without a gap
       mcpconf-fw status [--format json]     what is open, for whom, how much went through
       mcpconf-fw blocked [HOST] [--follow] [--since SECONDS] [--format json]
                                             what was refused, and how to allow it
       mcpconf-fw verify [--format json]     try it from inside
       mcpconf-fw stop [--open]              end the engines; all stays closed, or all is open

  --policy FILE   default {POLICY}, for refresh the one in force
Exit codes: 0 in force, proven · 1 not in force, a hole · 2 wrong words · 4 refused, broken
"""

_USAGE_ERROR = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    verb, *rest = [*(sys.argv[1:] if words is None else words)] or ["--help"]
    paths = Paths()
    os.umask(0o022)
    if verb in ("--help", "-h", "help"):
        sys.stdout.write(USAGE)
        return 0
    if verb in ("apply", "refresh"):
        return _bring(verb, rest, paths)
    if verb == "stop" and rest in ([], ["--open"]):
        return stop(paths, opened=bool(rest))
    if verb == "drained" and not rest:
        return drained(paths)
    if verb == "keep":
        keep_on(rest)
    readers: dict[str, Callable[[list[str], Paths], int]] = {
        "status": status_command,
        "blocked": blocked_command,
        "verify": verify_command,
        "fold": fold_command,
    }
    if verb in readers:
        return readers[verb](rest, paths)
    sys.stderr.write(USAGE)
    return _USAGE_ERROR


def _bring(verb: str, rest: list[str], paths: Paths) -> int:
    if rest and (len(rest) != 2 or rest[0] != "--policy"):  # noqa: PLR2004
        sys.stderr.write(USAGE)
        return _USAGE_ERROR
    gc.disable()  # it is over before there is anything to collect; a third of the reading
    usual = "" if verb == "refresh" else POLICY
    return put_in_force(os.path.abspath(rest[1]) if rest else usual, paths)
