# Everything a contributor runs. Each target sets up its own environment first, once.
VENV   ?= .venv
PYTHON ?= $(shell python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz kill lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create the virtual environment and install everything, once

# The stamp comes last. .partial marks an environment that this rule began: left behind by an
# interruption, it is begun again from nothing. Any other environment is brought up to date in place.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "paretext needs Python 3.11 or newer, and '$(PYTHON)' is not; run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if [ -e $(VENV)/.partial ]; then rm -rf $(VENV); fi
	@if [ ! -e $(VENV) ]; then mkdir -p $(VENV) && touch $(VENV)/.partial; fi
	@rm -f $@
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@rm -f $(VENV)/.partial && touch $@

demo: $(READY) ## train, compress and measure a small classifier, offline, in minutes
	$(BIN)/paretext demo

lint: $(READY) ## check style, formatting, types, and which room imports from which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A file's tests share what they set up, so each file goes to one process, the longest first
# (tests/conftest.py). The processes that tests start need not compile the package anew, each.
test: export PYTHONDONTWRITEBYTECODE =
test: lint ## check style and types, then run every test, slow ones too
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

fuzz: $(READY) ## open 10,000 changed artifacts, tables and model folders, send 10,000 requests
	PARETEXT_FUZZ=10000 $(BIN)/pytest tests/fuzz --timeout 3600
	PARETEXT_REQUESTS=10000 $(BIN)/pytest tests/test_serving_openapi.py --timeout 3600

kill: $(READY) ## kill jobs at 50 random moments, start them again, compare what they leave
	$(BIN)/python tests/kill.py --kills 50

format: $(READY) ## mend style and formatting in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove environments, caches and build products (runs/ stays)
	rm -rf .venv .venv-ci .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find src tests -name __pycache__ -type d -exec rm -rf {} +
