"""What is asked of a container beside its servers: its clock, Claude Code, certificates, IPv6.

One script, run as the agent and with the agent's environment, as Claude Code would have it.  What
it says is foreign text.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from mcpconf.containers.agent import Agent, starts
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.names import quote

_SCRIPT = r"""
echo "now $(date +%s)"
while read -r _ _ _ scope _ name; do
  if [ "$scope" = 00 ] && [ "$name" != lo ]; then echo "ipv6 yes"; fi
done 2>/dev/null </proc/net/if_inet6
for name in NODE_EXTRA_CA_CERTS; do
  eval "path=\${$name-}"
  [ -n "$path" ] || continue
  echo "bundle $path"
  if [ ! -e "$path" ]; then echo "fault does not exist"
  elif [ ! -r "$path" ]; then echo "fault cannot be read"
  elif ! grep -q -e '-----BEGIN CERTIFICATE-----' "$path"; then
    echo "fault has no certificate in PEM in it"
  fi
done
for name in HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy; do
  eval "value=\${$name-}"
  [ -z "$value" ] || echo "proxy $name"
done
within=
if command -v timeout >/dev/null 2>&1; then within='timeout 3'; fi
echo "claude $($within claude --version 2>/dev/null | head -n 1)"
echo "end yes"
"""
_FAULTS = ("does not exist", "cannot be read", "has no certificate in PEM in it")


class Inside(NamedTuple):
    """What a container said.

    ``skew`` are the seconds by which this machine's clock is ahead, None where it told no time;
    ``claude`` is its version or "", ``bundle`` and ``fault`` what became of NODE_EXTRA_CA_CERTS,
    ``proxies`` the names of variables that are set.
    """

    skew: float | None = None
    claude: str = ""
    ipv6: bool = False
    bundle: str = ""
    fault: str = ""
    proxies: tuple[str, ...] = ()


def look(container: Container, agent: Agent, patience: float) -> Inside:
    """Ask.  Raises Failure where it does not say in time."""
    command = starts(container, agent, ["/bin/sh", "-c", _SCRIPT], patience)
    before = time.time()
    _, out, _ = whole(command, f"the container {quote(container.name)}", patience)
    return read(out, before, time.time())


def read(out: str, before: float, after: float) -> Inside:
    """What the script said between two moments of this machine (Unix seconds): pure."""
    from mcpconf.diagnosis.checks.host import version_in  # noqa: PLC0415  beside this module

    said: dict[str, str] = {}
    proxies: list[str] = []
    for line in out.splitlines()[:100]:
        key, _, text = line.partition(" ")
        if key == "proxy":
            proxies.append(text)
        else:
            said[key] = text
    fault = said.get("fault", "")
    return Inside(
        skew=_skew(said.get("now", ""), before, after),
        claude=version_in(said.get("claude", "")),
        ipv6="ipv6" in said,
        bundle=said.get("bundle", ""),
        fault=fault if fault in _FAULTS else "",
        proxies=tuple(name for name in dict.fromkeys(proxies) if name.isidentifier()),
    )


def _skew(now: str, before: float, after: float) -> float | None:
    """How far this clock is ahead of a whole second that was told between two moments."""
    if not (now.isascii() and now.isdigit() and len(now) < 12):  # noqa: PLR2004
        return None
    there = float(now)
    if before - 1 <= there <= after:
        return 0.0
    return before - 1 - there if there < before - 1 else after - there
