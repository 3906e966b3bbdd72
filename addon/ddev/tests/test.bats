#!/usr/bin/env bats

# Needs ddev, Docker, bats-core with bats-support, bats-assert and bats-file.
# With mcpconf on the PATH the container of Claude Code is built and tried as well.

setup() {
  set -eu -o pipefail
  export GITHUB_REPO=OWNER/ddev-mcpconf
  TEST_BREW_PREFIX="$(brew --prefix 2>/dev/null || true)"
  export BATS_LIB_PATH="${BATS_LIB_PATH:-}:${TEST_BREW_PREFIX}/lib:/usr/lib/bats"
  bats_load_library bats-assert
  bats_load_library bats-file
  bats_load_library bats-support

  export DIR="$(cd "$(dirname "${BATS_TEST_FILENAME}")/.." >/dev/null 2>&1 && pwd)"
  export PROJNAME="test-mcpconf"
  mkdir -p "${HOME}/tmp"
  export TESTDIR="$(mktemp -d "${HOME}/tmp/${PROJNAME}.XXXXXX")"
  export DDEV_NONINTERACTIVE=true
  export DDEV_NO_INSTRUMENTATION=true
  ddev delete -Oy "${PROJNAME}" >/dev/null 2>&1 || true
  cd "${TESTDIR}"
  run ddev config --project-name="${PROJNAME}" --project-tld=ddev.site
  assert_success
  run ddev start -y
  assert_success
}

health_checks() {
  run ddev help claude:mcp
  assert_success
  run ddev help claude:mcp-proxy
  assert_success
  run ddev help claude
  assert_success
  if ! command -v mcpconf >/dev/null; then
    MCPCONF_OFFLINE=1 run ddev claude:mcp list
    assert_failure
    assert_output --partial "mcpconf was not found"
    return
  fi
  run ddev claude:mcp sync
  assert_success
  run ddev restart -y
  assert_success
  run ddev exec -s claude mcpconf-fw status
  assert_success
  run ddev exec -s claude mcpconf-agent sh -c 'id -u; iptables -F'
  assert_failure
  run ddev exec -s claude mcpconf-agent sh -c "echo x > ${TESTDIR}/.ddev/commands/host/evil"
  assert_failure
  run ddev claude --version
  assert_success
}

teardown() {
  set -eu -o pipefail
  ddev delete -Oy "${PROJNAME}" >/dev/null 2>&1
  [ "${TESTDIR}" != "" ] && rm -rf "${TESTDIR}"
}

@test "install from directory" {
  set -eu -o pipefail
  run ddev add-on get "${DIR}"
  assert_success
  run ddev restart -y
  assert_success
  health_checks
}

@test "removal leaves the project as it was" {
  set -eu -o pipefail
  before="$(find . -type f -not -path './.ddev/.*' | sort)"
  run ddev add-on get "${DIR}"
  assert_success
  run ddev add-on remove mcpconf
  assert_success
  after="$(find . -type f -not -path './.ddev/.*' | sort)"
  assert_equal "${after}" "${before}"
}

@test "network_mode is refused" {
  set -eu -o pipefail
  printf 'services:\n  fw:\n    image: busybox:stable\n    network_mode: "service:web"\n' > .ddev/docker-compose.sidecar.yaml
  run ddev add-on get "${DIR}"
  assert_failure
  assert_output --partial "network_mode"
}

# bats test_tags=release
@test "install from release" {
  set -eu -o pipefail
  run ddev add-on get "${GITHUB_REPO}"
  assert_success
  run ddev restart -y
  assert_success
  health_checks
}
