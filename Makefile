# `make run` and `make test` set up everything they need; both are quick the second time.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run test test-long check check-native day bench bench-continuity bench-latency fuzz fuzz-native soak soak-webrtc bench-webrtc setup setup-test clean

run: $(STAMPS)/python $(STAMPS)/players
	exec $(BIN)/headwater serve

# Five processes for two cores: tests/sharing.py. What fails there is run once more with the machine
# to itself, and must pass then.
test: setup-test
	$(BIN)/pytest -n 5 --dist loadscope --no-loadscope-reorder || { \
	  echo "Once more what failed, one after the other"; \
	  $(BIN)/pytest --last-failed --last-failed-no-failures none; }

# What takes minutes: more players, more kills, more events
test-long: setup-test
	TEST_LONG=1 $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m long

check: $(STAMPS)/python-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	! $(BIN)/python -c 'import segmenter._samples' 2>/dev/null || \
	  $(BIN)/python -m mypy.stubtest --concise segmenter._samples
	! $(BIN)/python -c 'import webrtc._fanout' 2>/dev/null || \
	  $(BIN)/python -m mypy.stubtest --concise webrtc._fanout
	$(BIN)/pytest -q tests/test_layering.py

# 24 hours of a path in ten minutes, each playlist looked at; DAY_HOURS, DAY_SEED, DAY_PART_S
day: $(STAMPS)/python-dev $(STAMPS)/judges
	DAY_HOURS=$${DAY_HOURS:-24} DAY_PART_S=$${DAY_PART_S:-0.2} \
	  $(BIN)/pytest -q -p no:cacheprovider tests/segmenter/day

# The C extensions under the address and undefined behaviour sanitizers
check-native: $(STAMPS)/python-dev
	$(BIN)/python -m tests.native_sanitizer

# Hostile bytes at all that reads what WebRTC's peers send, under the same sanitizers
fuzz-native: $(STAMPS)/python-dev
	$(BIN)/python -m tests.native_sanitizer fuzz

# FUZZ_SECONDS or FUZZ_EXECUTIONS (for each target), FUZZ_TARGETS and more: tests/fuzz/runner.py
fuzz: $(STAMPS)/python-dev
	$(BIN)/python -m tests.fuzz.runner

# BENCH="a c --runs 3" chooses; python -m bench --help tells more
bench: $(STAMPS)/system-bench $(STAMPS)/python-dev $(STAMPS)/players $(STAMPS)/peer-players
	$(BIN)/python -m bench $(BENCH)

# 100 publishers and 20 origins are killed; CONTINUITY="--kills 10 --restarts 3" for less
bench-continuity: $(STAMPS)/system-bench $(STAMPS)/python-dev $(STAMPS)/players
	$(BIN)/python -m bench.continuity $(CONTINUITY)

# each player for five minutes; LATENCY="--seconds 30 --only page" for less
bench-latency: $(STAMPS)/system-bench $(STAMPS)/python-dev $(STAMPS)/players $(STAMPS)/peer-players
	$(BIN)/python -m bench.latency $(LATENCY)

# WEBRTC="--runs 3 --seconds 4" for less
bench-webrtc: $(STAMPS)/system-bench $(STAMPS)/python-dev
	$(BIN)/python -m bench w1 w2 $(WEBRTC)

# SOAK_SECONDS=3600 SOAK_KILL_S=60 SOAK_COPY=1: tests/soak/soak.py
soak: $(STAMPS)/system-test $(STAMPS)/python-dev
	$(BIN)/python -m tests.soak.soak

# ROUNDS=50 VIEWERS=200: tests/soak/rejoins.py
soak-webrtc: $(STAMPS)/system-test $(STAMPS)/python-dev
	$(BIN)/python -m tests.soak.rejoins

setup: $(STAMPS)/python $(STAMPS)/players
setup-test: $(STAMPS)/system-test $(STAMPS)/python-dev $(STAMPS)/players $(STAMPS)/peer-players $(STAMPS)/judges

clean:
	rm -rf $(VENV) $(STAMPS) build dist static/vendor static/node_modules tests/judges/node_modules bench/glass/web/node_modules

# -- what the machine needs --------------------------------------------------------------------
# deploy/setup.sh installs Debian packages only where something is missing.

$(STAMPS)/system: deploy/setup.sh
	@mkdir -p $(STAMPS)
	SUDO="$(SUDO)" PYTHON="$(PYTHON)" deploy/setup.sh run
	@touch $@

$(STAMPS)/system-test: deploy/setup.sh
	@mkdir -p $(STAMPS)
	SUDO="$(SUDO)" PYTHON="$(PYTHON)" deploy/setup.sh test
	@touch $@

$(STAMPS)/system-bench: deploy/setup.sh
	@mkdir -p $(STAMPS)
	SUDO="$(SUDO)" PYTHON="$(PYTHON)" deploy/setup.sh bench
	@touch $@

$(STAMPS)/python: pyproject.toml setup.py $(wildcard segmenter/native/* webrtc/native/*) | $(STAMPS)/system
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(STAMPS)/python-dev: $(STAMPS)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(STAMPS)/players: static/package-lock.json static/package.json | $(STAMPS)/system
	cd static && npm ci --no-audit --no-fund --silent && npm run --silent vendor
	@touch $@

$(STAMPS)/peer-players: bench/glass/web/package-lock.json | $(STAMPS)/system
	cd bench/glass/web && npm ci --no-audit --no-fund --silent
	@touch $@

$(STAMPS)/judges: tests/judges/package-lock.json tests/judges/package.json | $(STAMPS)/system
	cd tests/judges && npm ci --no-audit --no-fund --silent
	@touch $@
