#!/bin/sh
# Installs mcpconf's programs into the image, as root.  Debian and Ubuntu; others where they have
# the packages.  The options come as MODE, SUDO, REQUIRED and USERNAME.
set -eu
umask 022
cd "$(dirname "$0")"

fail() {
  echo "mcpconf: $1" >&2
  [ -z "${2-}" ] || echo "help: $2" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

is_name() {
  case $1 in
    '' | -* | *[!A-Za-z0-9._-]*) return 1 ;;
  esac
}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
share=/usr/local/share/mcpconf
user=${USERNAME:-automatic}
[ "$user" != automatic ] || user=${_REMOTE_USER:-root}
first=${_CONTAINER_USER:-root} # as whom the container starts
mode=${MODE:-strict}
sudo=${SUDO:-keep}
required=${REQUIRED:-false}
[ "$(id -u)" -eq 0 ] || fail "this is to be run by root" "it runs when the image is built"
known() { # USER[:GROUP], by name or by number: its name
  is_name "${1%%:*}" || fail "\"$1\" is no name of a user"
  id -un -- "${1%%:*}" 2>/dev/null ||
    fail "the image has no user \"$1\"" "check remoteUser and the option username"
}
user=$(known "$user")
first=$(known "$first")
for program in mcpconf-bridge mcpconf-fw mcpconf-container; do
  [ -f "$program" ] || fail "$program is missing in the Feature" "run \`mcpconf init devcontainer\` again"
done

# --- packages -----------------------------------------------------------------------------------

needed="python3 iptables ipset dnsmasq ulogd"
[ "$mode" != strict ] || needed="$needed haproxy"
[ "$user:$first" = root:root ] || needed="$needed sudo"

missing() {
  for program in $needed; do
    has "$program" || echo "$program"
  done
  [ -n "$(find / -xdev -name ulogd_output_JSON.so 2>/dev/null | head -n 1)" ] || echo ulogd-json
}

packages() { # the names of a distribution: dnsmasq, ulogd, its JSON output
  for program in $(missing); do
    case $program in
      dnsmasq) echo "$1" ;;
      ulogd) echo "$2" ;;
      ulogd-json) echo "$3" ;;
      *) echo "$program" ;;
    esac
  done
}

if [ -n "$(missing)" ]; then
  # shellcheck disable=SC2046  # words, on purpose
  if has apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || fail "apt-get update failed" "put these into the image: $(missing | xargs)"
    # without a network `update` may well end with 0
    apt-get install -y -qq --no-install-recommends $(packages dnsmasq-base ulogd2 ulogd2-json) >/dev/null ||
      fail "apt-get could not install: $(missing | xargs)" "put these into the image, or see why above"
    rm -rf /var/lib/apt/lists/*
  elif has apk; then
    apk add --no-cache $(packages dnsmasq ulogd ulogd-json) >/dev/null || true
  elif has dnf; then
    dnf install -y -q --setopt=install_weak_deps=False $(packages dnsmasq ulogd ulogd) || true
  fi
fi
lacking=$(missing | xargs)
[ -z "$lacking" ] || fail "the image lacks: $lacking" \
  "install them before; mcpconf installs them on Debian and Ubuntu, elsewhere where the packages exist"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
  fail "the image's python3 is older than 3.9" "a newer base image, such as debian:bookworm"

# --- programs -----------------------------------------------------------------------------------

compiled() { # FROM TO: a copy that starts fast with this image's Python (src/mcpconf/onefile.py)
  python3 -IS - "$1" "$2" <<'PYTHON'
import marshal, os, sys
import _frozen_importlib_external as boot

with open(sys.argv[1], "rb") as file:
    text = file.read().partition(b"\n\0code:")[0]
name = os.path.basename(sys.argv[2])
code = compile(text.split(b"#--#", 2)[2], name, "exec", dont_inherit=True, optimize=2)
with open(sys.argv[2], "wb") as file:
    file.write(text + b"\n\0code:" + boot.MAGIC_NUMBER + marshal.dumps(code))
PYTHON
  chmod 755 "$2"
}

mkdir -p "$share" /etc/mcpconf /usr/local/bin /usr/local/sbin
compiled mcpconf-bridge /usr/local/bin/mcpconf-bridge
compiled mcpconf-fw /usr/local/bin/mcpconf-fw
cp mcpconf-container /usr/local/sbin/mcpconf-container
cp entrypoint.sh "$share/entrypoint.sh"
chmod 755 /usr/local/sbin/mcpconf-container "$share/entrypoint.sh"
printf 'user=%s\nrequired=%s\n' "$user" "$([ "$required" = true ] && echo true || echo false)" >"$share/options"

# Claude Code then loads this file and no other, without a question.
managed=/etc/claude-code/managed-mcp.json
mkdir -p /etc/claude-code
if [ -e "$managed" ] && [ ! -L "$managed" ]; then
  echo "mcpconf: the image has a $managed of its own, which stays: Claude Code loads that one" >&2
else
  ln -sfn /etc/mcpconf/mcp.json "$managed"
fi

# --- who may call them as root ------------------------------------------------------------------

# Exactly these words: `apply` takes its policy from /etc/mcpconf and from nowhere else.
words=
for word in create start check; do
  words="$words, /usr/local/sbin/mcpconf-container $word"
done
for word in apply status 'status --format json' blocked 'blocked --format json' verify 'verify --format json'; do
  words="$words, /usr/local/bin/mcpconf-fw $word"
done
words=${words#, }
if has sudo; then
  mkdir -p /etc/sudoers.d
  rules=/etc/sudoers.d/zz-mcpconf # the last rule that fits counts
  : >"$rules.new"
  for name in $(printf '%s\n' "$user" "$first" | sort -u); do
    [ "$name" != root ] || continue
    [ "$sudo:$name" != "remove:$user" ] || printf '%s ALL=(ALL:ALL) !ALL\n' "$name" >>"$rules.new"
    printf '%s ALL=(root) NOPASSWD: %s\n' "$name" "$words" >>"$rules.new"
  done
  chmod 440 "$rules.new"
  if has visudo; then visudo -cqf "$rules.new" || fail "sudo does not understand $rules.new"; fi
  mv "$rules.new" "$rules"
fi
echo "mcpconf: installed for the user $user"
