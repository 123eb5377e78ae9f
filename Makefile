# o9_assets: every command a person needs. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# A process for each core; the tests of a file stay together, for they share what they set up.
PARALLEL := -n auto --dist loadfile

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo "  make run SETTINGS=examples/online_retail.yaml FILES=folder   your own settings and files"

setup: .venv/.ready ## create .venv with everything that requirements.lock pins

.venv/.ready: requirements.lock setup.py
	@echo "Setting up .venv (once, about half a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one with PYTHON=python3.12"; rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

run: .venv/.ready ## the whole cycle on the sample company: files to demand history, o9, forecast, warehouse
	@$(BIN)/python -m o9_assets run $(if $(SETTINGS),--settings "$(SETTINGS)") $(if $(FILES),--files "$(FILES)") $(ARGS)

dev: .venv/.ready ## Dagster's UI on http://127.0.0.1:3000, with sensors and schedules
	@$(if $(SETTINGS),O9_PLANNING="$(abspath $(SETTINGS))") $(BIN)/python -m o9_assets dev $(ARGS)

sandbox: .venv/.ready ## AWS and o9 on this machine, for the aws deployment; prints the environment to use
	@$(BIN)/python -m o9_assets.sandbox $(ARGS)

test: .venv/.ready ## all tests but those marked slow
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-slow: .venv/.ready ## the slow tests too
	@$(BIN)/python -m pytest -m "slow or not slow" $(PARALLEL) $(ARGS)

bench: .venv/.ready ## every benchmark; figures go to benchmarks/results.json and docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## pin the newest versions that setup.py allows
	@VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip compile setup.py --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --upgrade --quiet -o requirements.lock

clean: ## forget all local state (.dagster, .o9), keep .venv
	@rm -rf .dagster .o9

.PHONY: help setup run dev sandbox test test-slow bench lock clean
