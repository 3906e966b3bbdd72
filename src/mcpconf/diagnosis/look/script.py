"""What a container holds: one script there, as the agent, and how what it says is read.

Each line is ``KEY VALUE``.  A value of several lines is none, and mcp.json comes as base64, so
nothing there can look like another line.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

from mcpconf.containers.agent import Agent, looks
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.diagnosis.container_facts import FILES, Copy, Held, Program
from mcpconf.errors import Failure
from mcpconf.names import quote

MANAGED = "/etc/claude-code/managed-mcp.json"
_SIGNED = b"#ddev-generated\n"
_CODE, _AFTER = "code:", ("next", "next-signed")

# Its words: the agent's PATH, the directory, home or "", lengths of our programs with a signature
# and without (bridge, bridge, firewall, firewall), then commands.
_SCRIPT = r"""
set -f
umask 077
path=$1 folder=$2 home=$3 b1=$4 b2=$5 f1=$6 f2=$7
shift 7
break='
'
put() {
  case $2 in *"$break"*) set -- "$1" '?' ;; esac
  printf '%s %s\n' "$1" "$2"
}
state() {
  if [ -f "$1" ] && [ -r "$1" ]; then echo readable
  elif [ -e "$1" ] || [ -L "$1" ]; then echo unreadable
  else echo missing; fi
}
sum() { [ ! -f "$1" ] || { sha256sum <"$1" 2>/dev/null || :; } | cut -c 1-64; }
begins() { head -c "$2" <"$1" 2>/dev/null | sha256sum 2>/dev/null | cut -c 1-64; }
behind() { tail -c "+$(($2 + 3))" <"$1" | head -c 5 | tr -cd 'a-z:'; }
search() {
  found= denied=
  case $1 in
    /*) take "$1" ;;
    */*) take "$folder/$1" ;;
    *)
      rest=$path:
      while [ -n "$rest" ]; do
        one=${rest%%:*} rest=${rest#*:}
        take "${one:-.}/$1"
        [ -z "$found" ] || break
      done ;;
  esac
}
take() {
  [ -f "$1" ] || return 0
  if [ -x "$1" ]; then found=$1; else denied=${denied:-$1}; fi
}
copy() {
  [ -n "$found" ] && [ -r "$found" ] || return 0
  put "$1-size" "$(wc -c <"$found" | tr -d ' ')"
  put "$1-plain" "$(begins "$found" "$2")"
  put "$1-signed" "$(begins "$found" "$3")"
  put "$1-next" "$(behind "$found" "$2")"
  put "$1-next-signed" "$(behind "$found" "$3")"
}
cd -- "$folder" 2>/dev/null || cd /
put uid "$(id -u)"
put user "$(id -un 2>/dev/null)"
if [ -z "$home" ]; then
  me=$(id -u)
  while IFS=: read -r _ _ uid _ _ where _; do
    [ "$uid" != "$me" ] || { home=$where; break; }
  done </etc/passwd
fi
put home "$home"
put generation "$(readlink /etc/mcpconf/current 2>/dev/null)"
while read -r _ _ _ _ where _; do
  [ "$where" != /etc/mcpconf ] || put mounted yes
done </proc/self/mountinfo
for name in mcp.json bridge.json egress.json; do
  put "file:$name" "$(state "/etc/mcpconf/$name")"
  put "sum:$name" "$(sum "/etc/mcpconf/$name")"
done
managed=/etc/claude-code/managed-mcp.json
put managed "$(readlink -f "$managed" 2>/dev/null)"
put managed-state "$(state "$managed")"
if [ -f /etc/mcpconf/mcp.json ]; then
  printf 'servers '
  head -c 2000000 </etc/mcpconf/mcp.json | base64 | tr -d '\n'
  echo
fi
search mcpconf-bridge
put bridge "${found:-$denied}"
copy bridge "$b1" "$b2"
path_=$path path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
search mcpconf-fw
put firewall "${found:-$denied}"
copy firewall "$f1" "$f2"
search python3
put system-python "$found"
path=$path_
search python3
put python "$found"
number=0
for command in "$@"; do
  search "$command"
  put "found:$number" "$found"
  put "denied:$number" "$denied"
  [ -z "$found" ] || put "first:$number" "$(head -c 200 <"$found" | head -n 1 | tr -cd '\040-\176')"
  number=$((number + 1))
done
put end yes
"""


def held(container: Container, agent: Agent, commands: Sequence[str], patience: float) -> Held:
    """What the container holds.  Raises Failure where it does not say in time."""
    home = next((v[5:] for v in agent.given if v.startswith("HOME=")), "")
    lengths = [str(len(text)) for text in (*_texts("bridge"), *_texts("firewall"))]
    words = [agent.path, agent.folder, home, *lengths, *commands]
    command = looks(container, agent, _SCRIPT, words)
    who = f"the container {quote(container.name)}"
    _, out, err = whole(command, who, patience)
    if "\nend " not in out:
        last = next(iter(reversed(err.strip().splitlines())), "it does not say why")
        raise Failure(f"{who} cannot be looked into: {quote(last, 200)}")
    return read(out, commands)


@cache
def _texts(which: str) -> tuple[bytes, bytes]:
    """One of our programs as it is shipped, and as it is signed for DDEV."""
    from mcpconf.bridge import bundle as bridge  # noqa: PLC0415  both read their own sources
    from mcpconf.firewall import bundle as firewall  # noqa: PLC0415

    text = bridge.text() if which == "bridge" else firewall.text()
    first, _, rest = text.partition(b"\n")
    return text, first + b"\n" + _SIGNED + rest


def read(out: str, commands: Sequence[str]) -> Held:
    """What the script said; lines that are none of its own are passed over.  Pure."""
    said = {key: value for key, _, value in (line.partition(" ") for line in out.splitlines())}
    files = {name: said.get(f"file:{name}", "missing") for name in FILES}
    return Held(
        uid=said.get("uid", ""),
        user=said.get("user", ""),
        home=said.get("home", ""),
        generation=said.get("generation", ""),
        mounted="mounted" in said,
        files=files,
        digests={name: said.get(f"sum:{name}", "") for name in FILES},
        servers=_servers(said.get("servers")),
        managed=said.get("managed", ""),
        managed_state=said.get("managed-state", "missing"),
        bridge=_copy("bridge", said),
        firewall=_copy("firewall", said),
        python=said.get("python", ""),
        programs={
            name: Program(*(said.get(f"{key}:{i}", "") for key in ("found", "denied", "first")))
            for i, name in enumerate(commands)
        },
    )


def _servers(coded: str | None) -> str | None:
    if coded is None:
        return None
    try:
        return binascii.a2b_base64(coded.encode(), strict_mode=True).decode(errors="replace")
    except (ValueError, UnicodeEncodeError):
        return ""


def _copy(which: str, said: Mapping[str, str]) -> Copy:
    """Whether a program is ours: the text, and nothing behind it but its code."""
    path = said.get(which, "")
    if not path or f"{which}-size" not in said:
        return Copy(path)
    if not said.get(f"{which}-plain"):
        return Copy(path)  # nothing there makes a sha256
    for suffix, after, text in zip(
        ("plain", "signed"), ("next", "next-signed"), _texts(which), strict=True
    ):
        if said.get(f"{which}-{suffix}") == hashlib.sha256(text).hexdigest():
            whole_ = said[f"{which}-size"] == str(len(text))
            return Copy(path, whole_ or said.get(f"{which}-{after}") == _CODE)
    return Copy(path, same=False)
