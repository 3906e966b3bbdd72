# make setup   the virtualenv                 make check    what CI runs beside the tests
# make sync    the main job, a dry run        make bless    rewrite the golden cases
# make test    the tests, in three parts      make docs     rewrite the generated pages
# make bridge  dist/mcpconf-bridge, one file  make bench    start-up, scale, the run-time's speed
# make firewall  dist/mcpconf-fw, one file    make redteam  all attacks on the firewall, both modes
# make feature   the Feature, to publish      make release  the DDEV add-on, to publish
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# Hundreds of programs are started by the tests: let Python keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup sync test thorough check bless docs bridge firewall feature release engines redteam bench parity conformance clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml
	$(call python) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@touch $@

# The first Python that is 3.11 or newer.
python = $(firstword $(foreach p,$(PYTHON) python3 python3.14 python3.13 python3.12,$(shell command -v $(p) >/dev/null 2>&1 && $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))) $(PYTHON))

# On this machine's own Claude Code configuration, or on the bundled example where there is none.
# A dry run: `make sync WRITE=1` writes. Findings (exit 1) are not a failure of make.
sync: setup
	@$(BIN)/mcpconf $(if $(WRITE),sync,plan --or-example) $(ARGS) || test $$? -eq 1

# Where the tests of each mark are, so that the others need not be read for it.
MACHINES := $(addprefix tests/,netns engines faults devcontainer firewall firewall_reading)
RUNTIME := $(addprefix tests/,runtime conformance)

# Most of the tests wait for programs half of their time, those with networks a third.
CORES := $(shell nproc 2>/dev/null || echo 1)
WORKERS ?= $(shell expr 2 '*' $(CORES))
LABORATORIES ?= $(shell expr '(' 3 '*' $(CORES) + 1 ')' / 2)

# What makes networks, and what asks programs in time, has the machine for itself. The firewall's tests
# need root and the programs of CONTRIBUTING.md; without root they are skipped. A part that fails
# does not keep the next one from being run.
pytest = $(BIN)/python -m pytest --dist loadfile $(1) $(if $(findstring tests/,$(ARGS)),,$(2)) $(ARGS) || test $$? -eq 5 || failed=1
test: setup
	@set -x; failed=; \
	$(call pytest,-n $(WORKERS) --no-loadscope-reorder -m "not runtime and not netns and not engine"); \
	$(call pytest,-n $(LABORATORIES) --no-loadscope-reorder -m "netns or (engine and not slow)",$(MACHINES)); \
	$(call pytest,-n $(CORES) -m runtime,$(RUNTIME)); \
	test -z "$$failed"

# All cases, where `make test` runs a sample; all engines, all clients.
thorough: setup
	$(BIN)/python -m tests.parity.install_clients
	$(BIN)/python -m tests.conformance.install_suite
	$(BIN)/python -m tests.devcontainer.tool
	MCPCONF_TESTS=all $(MAKE) test
	$(BIN)/python -m pytest -m "engine and slow" $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mcpconf.rules_page --check docs/rules.md

bless: setup
	BLESS=1 $(BIN)/python -m pytest tests/test_cases.py

docs: setup
	$(BIN)/python -m mcpconf.rules_page docs/rules.md

bridge: setup
	$(BIN)/python -m mcpconf.bridge.bundle dist/mcpconf-bridge

firewall: setup
	$(BIN)/python -m mcpconf.firewall.bundle dist/mcpconf-fw

# What is published for others: the Feature for dev containers, the add-on for DDEV.
feature: setup
	$(BIN)/python -m mcpconf.devcontainer.feature dist/feature/src/mcpconf

release: setup
	$(BIN)/python -m mcpconf.ddev.release dist/ddev-mcpconf.tar.gz

# Docker 20.10 and 26, Podman 5 rootful and rootless, the DDEV service, the real devcontainer CLI.
engines: setup
	$(BIN)/python -m tests.devcontainer.tool
	$(BIN)/python -m pytest -m engine $(ARGS)

# Needs root and the programs of docs/firewall.md.
redteam: setup
	$(BIN)/python -m tests.netns.redteam --mode default $(ARGS)
	$(BIN)/python -m tests.netns.redteam --mode strict $(ARGS)

bench: setup
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/scale.py
	$(BIN)/python bench/runtime.py

# The real clients against mcpconf: generated configurations, needs npm.
parity: setup
	$(BIN)/python -m tests.parity.install_clients
	MCPCONF_TESTS=all $(BIN)/python -m pytest tests/parity $(ARGS)

# The official conformance suite, directly and through bridge and gateway, needs npm.
conformance: setup
	$(BIN)/python -m tests.conformance.install_suite
	$(BIN)/python bench/proxy/conformance.py

clean:
	rm -rf $(VENV) .clients dist
