# The few commands. Everything runs in .venv, which the first one makes; Python 3.11 or newer is all they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench test-crash focus-validator schemas clean

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
	@$(BIN)/python -m pytest -m "not crash" tests/unit tests/contract $(ARGS)
	@$(BIN)/python -m pytest -m "not crash" tests/integration $(ARGS)
	@$(BIN)/python -m pytest -m "not crash" tests/e2e $(ARGS)

lint: $(READY) ## ruff and mypy (strict), tests included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY) ## measure against Faust's stock transport, Quix Streams and bare aiokafka
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@$(BIN)/spendstream bench $(ARGS)

test-crash: $(READY) ## kill workers at every point of a replay of 500,000 calls; sums must be exact
	@$(BIN)/python -m pytest -m crash tests/crash $(ARGS)

focus-validator: ## install the FinOps foundation's validator beside .venv, for the test of the FOCUS export
	@$(PYTHON) -m venv .focus-validator
	@.focus-validator/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/focus-validator.txt

schemas: $(READY) ## write the JSON Schemas and tables again from the models
	@$(BIN)/python -m schemas.generate

clean: ## remove .venv, caches and the demo's data
	@rm -rf $(VENV) .focus-validator .mypy_cache .ruff_cache .pytest_cache .hypothesis .spendstream
