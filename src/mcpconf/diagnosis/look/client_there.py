"""What Claude Code keeps in a container: its caches and logs in the agent's home (facts 56, 57).

They are the agent's own files, so they are read as the agent, small regular ones only.  Tokens
are taken out as soon as they are here: only whether there is one counts.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from mcpconf.containers.agent import Agent, looks
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.masking import mask_url
from mcpconf.model import Json
from mcpconf.names import quote

DOCUMENTS = {
    "needs-auth": "mcp-needs-auth-cache.json",
    "credentials": ".credentials.json",
    "discover": "state/mcp-discover-verdicts.json",
}
VARIABLES = """
HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
NODE_EXTRA_CA_CERTS CLAUDE_CONFIG_DIR MCP_TIMEOUT MCP_TOOL_TIMEOUT MCP_CONNECT_TIMEOUT_MS
MCP_CONNECTION_NONBLOCKING MCP_SERVER_CONNECTION_BATCH_SIZE MCP_REMOTE_SERVER_CONNECTION_BATCH_SIZE
MCP_PROTOCOL_NEGOTIATION MCP_SDK_GENERATION MCP_DISCOVERY_CACHE
""".split()

# Its words: home or "", the launch directory as it is in the names of logs, names of servers (the
# same way).  A file is told as `KEY BASE64`; a directory of logs gives the end of its newest.
_SCRIPT = r"""
set -f
home=$1 folder=$2
shift 2
if [ -z "$home" ]; then
  me=$(id -u)
  while IFS=: read -r _ _ uid _ _ where _; do
    [ "$uid" != "$me" ] || { home=$where; break; }
  done </etc/passwd
fi
config=${CLAUDE_CONFIG_DIR:-$home/.claude}
tell() { printf '%s ' "$1"; base64 | tr -d '\n'; echo; }
put() { [ ! -f "$2" ] || head -c 1000000 <"$2" | tell "$1"; }
printf '%s' "$config" | tell config
put needs-auth "$config/mcp-needs-auth-cache.json"
put credentials "$config/.credentials.json"
put discover "$config/state/mcp-discover-verdicts.json"
for name in @VARIABLES@; do
  eval "value=\${$name-}"
  [ -z "$value" ] || printf '%s' "$value" | head -c 1000 | tell "env:$name"
done
for name in "$@"; do
  logs=$home/.cache/claude-cli-nodejs/$folder/mcp-logs-$name
  [ -d "$logs" ] || continue
  last=$(ls -t -- "$logs" 2>/dev/null | head -n 1)
  [ -f "$logs/$last" ] || continue
  tail -c 60000 <"$logs/$last" | tell "log:$name"
done
""".replace("@VARIABLES@", " ".join(VARIABLES))

_SECRETS = re.compile(r"token|secret|code|verifier|password|apikey|credential", re.IGNORECASE)
_PROXIES = frozenset(name for name in VARIABLES if name.lower().endswith("_proxy"))


class ClientThere(NamedTuple):
    """What was read; ``config`` is the client's directory there."""

    config: str = ""
    documents: dict[str, Json] = {}  # noqa: RUF012  a NamedTuple's default, never changed
    logs: dict[str, str] = {}  # noqa: RUF012
    environ: dict[str, str] = {}  # noqa: RUF012


def look(
    container: Container, agent: Agent, servers: Sequence[str], patience: float
) -> ClientThere:
    """Read it.  Raises Failure where the container does not answer in time."""
    home = next((v[5:] for v in agent.given if v.startswith("HOME=")), "")
    by_slug = {slug(name): name for name in servers}
    words = [home, slug(agent.folder), *by_slug]
    # Its own environment counts here, and of that only what is asked for by name.
    command = looks(container, agent, _SCRIPT, words)
    _, out, _ = whole(command, f"the container {quote(container.name)}", patience)
    return read(out, by_slug)


def slug(text: str) -> str:
    """As the client names directories of logs (fact 57)."""
    return re.sub(r"[^A-Za-z0-9]", "-", text)


def read(out: str, by_slug: dict[str, str]) -> ClientThere:
    """What the script said.  Pure."""
    found = ClientThere("", {}, {}, {})
    for line in out.splitlines():
        key, _, coded = line.partition(" ")
        with suppress(ValueError, UnicodeEncodeError):
            text = binascii.a2b_base64(coded.encode()).decode("utf-8", "replace")
            kind, _, name = key.partition(":")
            if key == "config":
                found = found._replace(config=text)
            elif key in DOCUMENTS:
                with suppress(ValueError, RecursionError):
                    found.documents[key] = without_secrets(json.loads(text))
            elif kind == "log" and name in by_slug:
                found.logs[by_slug[name]] = text
            elif kind == "env" and name in VARIABLES:
                found.environ[name] = mask_url(text) if name in _PROXIES and "@" in text else text
    return found


def without_secrets(value: Json, key: str = "", depth: int = 0) -> Json:
    """A document whose texts under names of secrets are ``***``, or "" where they are empty."""
    if depth > 20:  # noqa: PLR2004  the client's are flat
        return None
    if isinstance(value, dict):
        return {k: without_secrets(v, k, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [without_secrets(v, key, depth + 1) for v in value]
    if isinstance(value, str) and value and _SECRETS.search(key):
        return "***"
    return value
