# Two commands do all the set-up: `make quickstart` builds a model, `make test` runs the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPARSEZOO := .venv-sparsezoo
QUICKSTART := quickstart

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint bench sparsezoo clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: $(STAMP) ## install, build a small sparse int8 model, and try it
	@test -e $(QUICKSTART)/sparse.toml || $(BIN)/sparsebuild init $(QUICKSTART) --template quickstart
	$(BIN)/sparsebuild -C $(QUICKSTART) run
	$(BIN)/sparsebuild -C $(QUICKSTART) try "Ada Lovelace wrote to Charles Babbage in London"

test: $(STAMP) ## install and run all tests
	$(BIN)/python -m pytest

lint: $(STAMP) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## time the commands that must start at once
	$(BIN)/python benchmarks/startup.py

sparsezoo: $(SPARSEZOO)/.installed ## install the last sparsezoo apart, so that the tests can hold ours to it

clean: ## remove the virtual environments and the quick start's project
	rm -rf $(VENV) $(SPARSEZOO) $(QUICKSTART)

# The stamp is older than what it depends on when either file changed, and is written only when all went well.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: sparsebuild needs Python 3.11 or newer; name one with `make PYTHON=python3.11 ...`")'
	@echo "installing into $(VENV); PyTorch is large, so the first time takes a while"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(SPARSEZOO)/.installed: tests/servers/sparsezoo.txt
	@$(PYTHON) -m venv $(SPARSEZOO)
	@$(SPARSEZOO)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement $<
	@touch $@
