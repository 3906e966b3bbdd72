#!/bin/sh
#ddev-generated
# Closes the container first, looks second, and then gives up what could open it again.
set -eu

say() { printf 'mcpconf: %s\n' "$*" >&2; }

stop() {
  say "$1"
  say "$2"
  say "no firewall, no Claude: this container ends"
  exit 1
}

rm -f /run/mcpconf-healthy # of the start before: the health check would sleep on it
if ! mcpconf-fw apply; then
  [ -e /etc/mcpconf/egress.json ] ||
    stop "/etc/mcpconf/egress.json is not there" "on the host: ddev claude:mcp sync"
  stop "the firewall is not in force" "what is missing stands above; docs/firewall.md has the list"
fi
# A link that leads nowhere would make Claude Code fall back to what the project says.
[ -r /etc/mcpconf/mcp.json ] ||
  stop "/etc/mcpconf/mcp.json is not there" "on the host: ddev claude:mcp sync"

agent=$(id -u agent):$(id -g agent)
config=${CLAUDE_CONFIG_DIR:-/home/agent/.claude}
[ "$(stat -c %u:%g /home/agent)" = "$agent" ] || chown -R "$agent" /home/agent

# The agent's home belongs to the agent, so it is the agent who writes there.
preferences=${MCPCONF_PROJECT:-}/.ddev/mcpconf/preferences.json
if [ -r "$preferences" ]; then
  sed '/"#ddev-generated"/d' "$preferences" | mcpconf-agent sh -c '
    umask 077 && mkdir -p "$1" && { [ -e "$1/.claude.json" ] || cat >"$1/.claude.json"; }
  ' - "$config" || say "the preferences could not be put into $config"
fi

# Process 1 is nobody, without a capability: it waits, and takes in whom others left.
exec setpriv --reuid 65534 --regid 65534 --clear-groups \
  --inh-caps=-all --bounding-set=-all --no-new-privs -- \
  sh -c 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done'
