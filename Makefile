# `make help` explains itself. Needs Python 3.11 or later with its venv module, and nothing else of ours.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
SEED   ?= 1
SCALE  ?= 1

NPM    := $(shell command -v npm 2>/dev/null)

NATIVE := $(shell find native -name target -prune -o -name fuzz -prune -o \( -name '*.rs' -o -name 'Cargo.*' -o -name pyproject.toml \) -print 2>/dev/null)
# Set where the native engine must be there: its absence is then an error, and not a line.
REQUIRED ?= $(BORINGSDP_REQUIRE_PEERS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test lint types fuzz bench native crates docs check format clean

help: ## show this
	@echo "BoringSDP: a media gateway between WebRTC and SIP."
	@echo
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=... is passed on: make run ARGS='--janus.http_port=9088', make test ARGS='tests/sdp -x'."
	@echo "  PYTHON=... chooses the interpreter for a new $(VENV) (now: $(PYTHON))."

setup: $(VENV)/.test $(VENV)/.native $(if $(NPM),$(VENV)/.npm $(VENV)/.phones) ## create .venv and install everything that tests need

run: $(VENV)/.run $(VENV)/.native $(if $(NPM),$(VENV)/.phones) ## start the gateway with a demo page and web phones, print its address
	@$(if $(NPM),,echo "web phones: npm is not here, and brings their libraries (on Debian and Ubuntu: apt-get install npm); all else works")
	@$(BIN)/boringsdp demo $(ARGS)

test: setup ## run the tests; those whose browser or peer program is missing say what to install
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test ## check style
	@$(BIN)/ruff check .

types: $(VENV)/.test ## check types (mypy strict)
	@$(BIN)/mypy

fuzz: $(VENV)/.test ## throw malformed input at every parser; SEED=n for other input, SCALE=n for n times as much
	@FUZZ_SEED=$(SEED) FUZZ_SCALE=$(SCALE) $(BIN)/python -m pytest tests/fuzz $(ARGS)

bench: $(VENV)/.test ## measure packets, calls, memory and SDP; the figures stand in docs/performance.md
	@$(BIN)/python -m bench $(ARGS)

native: REQUIRED := 1
native: $(VENV)/.native ## build the native engine (Rust) into .venv; setup, run and test do so where they can
	@echo "native engine: in $(VENV)"

crates: ## check the crates of the native engine: style, lints, their own tests
	@native/check.sh

docs: $(VENV)/.test ## check that the documentation agrees with the code: links, commands, configuration
	@$(BIN)/boringsdp check-config --example | diff -u boringsdp.example.toml - && echo "boringsdp.example.toml agrees with config.py"
	@$(BIN)/python -m pytest -q tests/docs $(ARGS)

check: lint types crates test ## what CI runs

format: $(VENV)/.test ## rewrite the code in the project's style
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format .

clean: ## remove what the other targets made
	rm -rf $(VENV) node_modules examples/lib build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis native/target native/build

# The stamps make every second run quick: they are rebuilt only when the list of dependencies changes.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version). Say PYTHON=python3.12 or so."; exit 1; }
	@echo "creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing BoringSDP into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(wildcard kamailio/kemi-stubs/*.toml kamailio/kemi-stubs/*/*.py*) | $(VENV)/bin/python
	@echo "installing BoringSDP and what its tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' ./kamailio/kemi-stubs
	@touch $@ $(VENV)/.run

$(VENV)/.native: $(NATIVE) | $(VENV)/bin/python
	@native/install.sh $(BIN)/python && touch $@ || test -z '$(REQUIRED)'

$(VENV)/.npm: $(wildcard package.json package-lock.json) | $(VENV)/bin/python
	@test ! -f package.json || { echo "installing npm packages for the web phones and the browser tests ..."; npm ci --no-audit --no-fund --loglevel=error; }
	@touch $@

# What the web phones need of npm, one file a library. Without it the gateway runs, and the phones' pages say what is missing.
$(VENV)/.phones: $(wildcard package-lock.json examples/bundle.mjs) | $(VENV)/bin/python
	@test -d node_modules/esbuild || rm -f $(VENV)/.npm
	@$(MAKE) --no-print-directory $(VENV)/.npm && node examples/bundle.mjs && touch $@ \
	  || echo "web phones: their libraries could not be fetched or bundled, see above; all else works"
