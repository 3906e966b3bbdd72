#!/bin/sh
#ddev-generated
# Puts into the image what is not there yet: programs, the agent, Claude Code.
set -eu

lacks() { ! command -v "$1" >/dev/null 2>&1; }

wanted=""
want() { # want PROGRAM PACKAGE...
  if lacks "$1"; then shift; wanted="$wanted $*"; fi
}
want iptables iptables
want ipset ipset
want nft nftables
want dnsmasq dnsmasq-base
want haproxy haproxy
want ulogd ulogd2
[ -n "$(find /usr/lib -name ulogd_output_JSON.so 2>/dev/null)" ] || wanted="$wanted ulogd2-json"
want python3 python3
want python python-is-python3
want pipx pipx
want pip3 python3-pip
want setpriv util-linux
want bash bash
want curl curl
want git git
want ps procps
want rg ripgrep
want node nodejs
want npm npm
[ -e /etc/ssl/certs/ca-certificates.crt ] || wanted="$wanted ca-certificates"

# shellcheck disable=SC2086  # lists of words that mcpconf has checked
if [ -n "$wanted$APT_PACKAGES" ] && [ "${MCPCONF_OFFLINE:-}" != 1 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted $APT_PACKAGES
  rm -rf /var/lib/apt/lists/*
fi
for program in iptables ipset dnsmasq ulogd python3 setpriv bash; do
  if lacks "$program"; then echo "mcpconf: the image lacks $program" >&2; exit 1; fi
done

# A user of this number may be there already (`node` is 1000): it becomes the agent.
[ "$AGENT_UID" != 0 ] || AGENT_UID=1000 AGENT_GID=1000 # rootless: the host's user is root inside
getent group "$AGENT_GID" >/dev/null || groupadd --gid "$AGENT_GID" agent
there=$(getent passwd "$AGENT_UID" | cut -d: -f1)
if [ -z "$there" ]; then
  useradd --uid "$AGENT_UID" --gid "$AGENT_GID" --home-dir /home/agent --shell /bin/bash agent
else
  usermod --login agent --gid "$AGENT_GID" --home /home/agent --shell /bin/bash "$there"
fi
mkdir -p /home/agent/.claude
chown -R "$AGENT_UID:$AGENT_GID" /home/agent
rm -f /usr/bin/sudo /etc/sudoers.d/*

mkdir -p /opt/claude-code/bin
if ! lacks claude; then
  ln -sfn "$(command -v claude)" /opt/claude-code/bin/claude
  case $(command -v claude) in
    /usr/local/bin/claude) mv /usr/local/bin/claude /opt/claude-code/bin/claude ;;
  esac
else
  npm install --global --no-audit --no-fund --prefix /opt/claude-code \
    "@anthropic-ai/claude-code@$CLAUDE_CODE"
fi
if [ "${MCPCONF_OFFLINE:-}" != 1 ]; then
  # shellcheck disable=SC2086
  [ -z "$NPM_PACKAGES" ] || npm install --global --no-audit --no-fund $NPM_PACKAGES
  ! lacks uv || pip3 install --quiet --no-cache-dir --break-system-packages uv
fi
rm -rf /root/.npm /root/.cache
