"""The one process of ours that stays: a shell of one megabyte that looks once a second.

It starts a refresh when ``egress.json`` is another one (a sync on the host flips a link; nothing
has to be told), when an engine has died, and when a drained resolver may go; and it has logs
folded when they have grown.  It ends when another one has taken its place.  What it looks at are
files, and looking starts nothing but ``sleep``.
"""

from __future__ import annotations

import os
import sys

from mcpconf.firewall.dns import DRAIN
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import end, pid_of
from mcpconf.firewall.run import start_apart

MARK = "mcpconf-fw-keeper"
LARGEST_LOG = 4_000_000  # bytes
REVIVAL = 5  # seconds between two tries to bring an engine back
LOGS = 10  # seconds between two looks at the sizes

SCRIPT = """\
fw=$1 policy=$2 run=$3 last=$4 drain=$5 largest=$6 revival=$7 logs=$8
tick=0 due=0 leaving=0
echo $$ >"$run/keeper.pid"
alive() { read -r pid <"$1" 2>/dev/null && kill -0 "$pid" 2>/dev/null; }
while sleep 1; do
  tick=$((tick + 1))
  read -r owner <"$run/keeper.pid" && [ "$owner" = $$ ] || exit
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
  last=$here
  if [ $tick -ge $due ]; then
    for file in "$run"/*.pid; do
      alive "$file" || { new=1; due=$((tick + revival)); }
    done
  fi
  [ -z "$new" ] || "$fw" refresh
  if [ -e "$run/draining" ]; then
    leaving=$((leaving + 1))
    [ $leaving -lt "$drain" ] || { leaving=0; "$fw" drained; }
  else
    leaving=0
  fi
  if [ $((tick % logs)) = 0 ]; then
    for file in "$run/dns.log" "$run/packets.json"; do
      [ -e "$file" ] || continue
      set -- $(wc -c <"$file")
      [ "$1" -lt "$largest" ] || "$fw" fold
    done
    set -- $(wc -c <"$run/keeper.log")
    [ "$1" -lt "$largest" ] || : >"$run/keeper.log"
  fi
done
"""


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
    words = ["sh", "-c", SCRIPT, MARK, program, policy, paths.run, seen, *numbers]
    try:
        start_apart(words, paths.keeper_log)
    except OSError as error:
        return f"nothing reloads by itself: {error.strerror}"
    return ""
