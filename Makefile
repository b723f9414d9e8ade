# The few commands. Everything runs in .venv, which the first one makes; Python 3.11 or newer is all they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench test-faults test-crash fuzz fuzz-coverage audit-packages focus-validator schemas clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(READY) ## make .venv with pinned packages

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Spendstream needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up .venv: about 350 MB of wheels the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## run the whole pipeline on this machine with simulated routers
	@$(BIN)/spendstream demo $(ARGS)

test: $(READY) ## run the tests (crash tests apart)
	@# One process a layer: the ClickHouse engine has one data directory a process.
	@$(BIN)/python -m pytest -m "not crash and not faults" tests/unit tests/contract tests/fuzz $(ARGS)
	@$(BIN)/python -m pytest -m "not crash and not faults" tests/integration $(ARGS)
	@$(BIN)/python -m pytest -m "not crash and not faults" tests/e2e $(ARGS)

lint: $(READY) ## ruff and mypy (strict), tests included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY) ## measure against Faust's stock transport, Quix Streams and bare aiokafka
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@$(BIN)/spendstream bench $(ARGS)

test-faults: $(READY) ## break workers, Kafka and ClickHouse in every way; FULL=1 takes an hour and a half, TABLE=1 writes docs/faults.md
	@$(BIN)/python -m tests.faults $(if $(FULL),--full) $(if $(TABLE),--table) $(ARGS)

test-crash: $(READY) ## kill workers at every point of a replay of 500,000 calls; sums must be exact
	@$(BIN)/python -m pytest -m crash tests/crash $(ARGS)

focus-validator: ## install the FinOps foundation's validator beside .venv, for the test of the FOCUS export
	@$(PYTHON) -m venv .focus-validator
	@.focus-validator/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/focus-validator.txt

fuzz: $(READY) ## a million inputs on every parser of outside input; ARGS="--target calls --seed 7" for others
	@$(BIN)/python -m tests.fuzz $(ARGS)

fuzz-coverage: $(READY) ## libFuzzer on one parser, until stopped: make fuzz-coverage ARGS=calls
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fuzz]'
	@$(BIN)/python -m tests.fuzz.coverage $(ARGS)

audit-packages: ## ask an advisory service about every pinned package (network); fails when it gets no answer
	@$(PYTHON) -m venv .audit-packages
	@.audit-packages/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@.audit-packages/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

schemas: $(READY) ## write the JSON Schemas and tables again from the models
	@$(BIN)/python -m schemas.generate

clean: ## remove .venv, caches and the demo's data
	@rm -rf $(VENV) .focus-validator .audit-packages .mypy_cache .ruff_cache .pytest_cache .hypothesis .spendstream
