"""Ends the process groups of the gateway's children when the gateway itself is killed.

A shell (one megabyte) in a session of its own reads from a pipe which groups there are.  When the
pipe ends, because the gateway is gone in whatever way, it ends the groups that are left.  So
nothing survives a SIGKILL, on macOS neither, where no PR_SET_PDEATHSIG exists; and on Linux the
children of a child are ended too, which that signal would not reach.  What holds nowhere: a
server that has moved into another group or session by itself.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

_SCRIPT = """
trap '' INT HUP TERM
groups=
while read -r what group; do
  case $what in
    +) groups="$groups $group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
left=$(echo $groups)
test -z "$left" && exit
sleep 2
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class Keeper:
    """Started with the first group; started again, and told everything, if it dies."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._say(f"+ {group}\n")

    def remove(self, group: int) -> None:
        self._groups.discard(group)
        self._say(f"- {group}\n")

    def close(self) -> None:
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
        self._process = None

    def _say(self, text: str) -> None:
        if self._process is None:
            self._start()
            return
        try:
            self._write(text)
        except OSError:
            self._process.wait()
            self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  a constant
            ["/bin/sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath},
        )
        with contextlib.suppress(OSError):
            self._write("".join(f"+ {group}\n" for group in self._groups))

    def _write(self, text: str) -> None:
        if self._process and self._process.stdin and text:
            os.write(self._process.stdin.fileno(), text.encode())
