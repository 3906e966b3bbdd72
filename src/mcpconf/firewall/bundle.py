"""Makes one executable file of the firewall: ``python -m mcpconf.firewall.bundle DEST``.

Its shell closes the container before Python starts: ``apply`` is ten milliseconds away from a
policy that drops, and not a hundred.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mcpconf import onefile
from mcpconf.bridge.itself import with_code, write_program
from mcpconf.firewall.filters import GUARD, NFT_GUARD
from mcpconf.firewall.paths import RUN
from mcpconf.firewall.run import SYSTEM_PATH

_TITLE = "The firewall of mcpconf, Apache-2.0.  Made from src/mcpconf/firewall/: change it there."


def _quoted(lines: tuple[str, ...]) -> str:
    return " ".join(f"'{line}'" for line in lines)


# The initial network namespace is the machine's own; nothing is closed there (look.py says so).
# Where nothing of ours is in force yet, a stranger's rules must not let anything pass either.
# What it does to packets that come in is told in filters.py; nothing here may track connections.
# With nftables alone a table of its own closes, which the real one's first transaction replaces.
_CLOSE = f"""\
PATH={SYSTEM_PATH}
if [ "$1" = apply ] && [ ! -e /proc/sys/net/core/dev_weight ]; then
  if command -v iptables-restore >/dev/null; then
    for family in iptables ip6tables; do
      if [ -e {RUN}/state.json ]; then
        printf '%s\\n' '*filter' ':OUTPUT DROP [0:0]' ':FORWARD DROP [0:0]' COMMIT
      else
        printf '%s\\n' '*filter' ':OUTPUT DROP [0:0]' ':FORWARD DROP [0:0]' ':MCP-OUT - [0:0]' \\
          '-A MCP-OUT -j DROP' '-I OUTPUT 1 -j MCP-OUT' {_quoted(GUARD)} COMMIT
      fi | $family-restore -w 5 --noflush &
    done
  elif ! nft list table inet mcpconf >/dev/null; then
    printf '%s\\n' 'add table inet mcpconf' 'delete table inet mcpconf' 'add table inet mcpconf' \\
      'add chain inet mcpconf mcp-out {{ type filter hook output priority 0; policy drop; }}' \\
      'add chain inet mcpconf mcp-fwd {{ type filter hook forward priority 0; policy drop; }}' \\
      {_quoted(NFT_GUARD)} | nft -f -
  fi 2>/dev/null
  wait
fi
"""


def bundle() -> bytes:
    """Return the one file: the text, and its code for this Python."""
    return with_code(text())


def text() -> bytes:
    """Return it without the code: the same from every Python."""
    return (onefile.header(_CLOSE) + source()).encode()


def source() -> str:
    """Return all modules as one.  Raises ValueError where two modules share a name."""
    return onefile.one_source(_TITLE, onefile.in_order("mcpconf.firewall.command"))


def write(destination: Path) -> None:
    """Write the file, executable for everybody, in one step.  Raises OSError."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_program(str(destination), bundle())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
