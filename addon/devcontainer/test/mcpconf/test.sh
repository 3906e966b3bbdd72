#!/bin/bash
# Run by `devcontainer features test` in a container with the Feature, as remoteUser.  The host has
# no mcpconf there: nothing is in force, and nothing of what is installed may be amiss.
set -e
source dev-container-features-test-lib

check "the bridge starts" bash -c "mcpconf-bridge --help | grep -q gateway"
check "the firewall's program starts" bash -c "mcpconf-fw --help | grep -q egress"
check "its engines are there" bash -c "PATH=\$PATH:/usr/sbin:/sbin; command -v iptables ipset dnsmasq ulogd haproxy"
check "Claude Code is led to our file" test "$(readlink /etc/claude-code/managed-mcp.json)" = /etc/mcpconf/mcp.json
check "the Feature says that nothing is in force" bash -c "/usr/local/sbin/mcpconf-container check 2>&1 | grep -q 'no firewall'"
check "no other word" bash -c "! /usr/local/sbin/mcpconf-container open 2>/dev/null"
check "nobody else may write the programs" bash -c "! test -w /usr/local/bin/mcpconf-fw || test \$(id -u) -eq 0"

reportResults
