"""The one process of ours that stays: a shell of one megabyte that looks once a second.

It starts a refresh when ``egress.json`` is another one (a sync on the host flips a link; nothing
has to be told), when an engine has died, and when a drained resolver may go; and it has logs
folded when they have grown.  It ends when another one has taken its place.  What it looks at are
files, and looking starts nothing but ``sleep``.
"""

from __future__ import annotations

import os
import sys
import time

from mcpconf.firewall.dns import DRAIN
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import end, pid_of
from mcpconf.firewall.run import ENVIRONMENT, find, start_apart
from mcpconf.firewall.state import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "mcpconf-fw-keeper"
LARGEST_LOG = 4_000_000  # bytes
REVIVAL = 5  # seconds between two tries to bring an engine back, or to do what failed
LOGS = 3  # seconds between two looks at the sizes

SCRIPT = """\
mark=$1 fw=$2 policy=$3 run=$4 last=$5 drain=$6 largest=$7 revival=$8 logs=$9
tick=0 due=0 again=0 leaving=0 folding=
echo $$ >"$run/keeper.pid"
# Without a process to spare a shell ends: this one begins anew, in its own place, after a pause.
trap 'exec "$fw" keep "$run/keeper.sh" "$mark" "$fw" "$policy" "$run" "$last" "$drain" "$largest" \
  "$revival" "$logs"' EXIT
alive() { read -r pid <"$1" 2>/dev/null && kill -0 "$pid" 2>/dev/null; }
while sleep 1; do
  tick=$((tick + 1))
  read -r owner <"$run/keeper.pid" && [ "$owner" = $$ ] || { trap - EXIT; exit; }
  cd -P "${policy%/*}/current" 2>/dev/null || cd -P "${policy%/*}" 2>/dev/null || cd /
  here=$PWD
  cd /
  new=
  [ "$here" = "$last" ] || new=1
  if [ -e "$policy" ]; then
    [ -e "$run/stamp" ] || new=1
    [ "$policy" -nt "$run/stamp" ] && new=1
    [ "$policy" -ot "$run/stamp" ] && new=1
  fi
  if [ -e "$run/without-ipv6" ]; then
    while read -r _ _ _ _ _ device; do [ "$device" = lo ] || new=1; done </proc/net/if_inet6
  fi
  [ $again = 0 ] || [ $tick -lt $again ] || new=1
  if [ $tick -ge $due ]; then
    for file in "$run"/*.pid; do
      alive "$file" || { new=1; due=$((tick + revival)); }
    done
  fi
  if [ -n "$new" ]; then
    again=$((tick + revival))
    "$fw" refresh && again=0
  fi
  last=$here
  if [ -e "$run/draining" ]; then
    leaving=$((leaving + 1))
    [ $leaving -lt "$drain" ] || { leaving=0; "$fw" drained; }
  else
    leaving=0
  fi
  if [ $((tick % logs)) = 0 ] && ! kill -0 "$folding" 2>/dev/null; then
    for file in "$run/dns.log" "$run/packets.json" "$run/keeper.log"; do
      [ -e "$file" ] || continue
      size=$(wc -c <"$file")
      [ "$size" -ge "$largest" ] || continue
      if [ "$file" = "$run/keeper.log" ]; then : >"$file"; else "$fw" fold & folding=$!; fi
    done
  fi
done
"""


def keep_on(words: Sequence[str]) -> None:
    """Become the keeper again, in the place of one that could start no process; a second later."""
    time.sleep(1)
    os.execve(find("sh"), ["sh", *words], ENVIRONMENT)  # noqa: S606  no shell but the keeper


def keeper_pid(paths: Paths) -> int:
    return pid_of(paths.keeper_pid, MARK)


def end_keeper(paths: Paths) -> bool:
    return end(paths.keeper_pid, MARK)


def place_of(policy: str) -> str:
    """The directory in which a file really lies now, as the keeper sees it."""
    folder = os.path.dirname(policy)
    current = os.path.join(folder, "current")
    return os.path.realpath(current if os.path.isdir(current) else folder)


def start_keeper(paths: Paths, policy: str, seen: str) -> str:
    """Start the keeper where it does not run; returns why it cannot, "" if it runs.

    ``seen`` is where the file lay when it was read (:func:`place_of`).
    """
    program = os.path.abspath(sys.argv[0])
    if keeper_pid(paths):
        return ""
    if not os.access(program, os.X_OK):
        return "this is not mcpconf-fw in one file, so nothing reloads by itself"
    numbers = [str(n) for n in (DRAIN, LARGEST_LOG, REVIVAL, LOGS)]
    words = ["sh", paths.keeper, MARK, program, policy, paths.run, seen, *numbers]
    try:
        write_file(paths.keeper, SCRIPT)
        start_apart(words, paths.keeper_log)
    except OSError as error:
        return f"nothing reloads by itself: {error.strerror}"
    return ""
