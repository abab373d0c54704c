# Two commands do all the set-up: `make quickstart` builds a model, `make test` runs the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NEAR := tests/environments
RUNTIMES := openvino optimum deepsparse
QUICKSTART := quickstart

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint bench sparsezoo runtimes browser clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: $(STAMP) ## install, build a small sparse int8 model, and try it
	@test -e $(QUICKSTART)/sparse.toml || $(BIN)/sparsebuild init $(QUICKSTART) --template quickstart
	$(BIN)/sparsebuild -C $(QUICKSTART) run
	$(BIN)/sparsebuild -C $(QUICKSTART) try "Ada Lovelace wrote to Charles Babbage in London"

test: $(STAMP) ## install and run all tests
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

lint: $(STAMP) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## time the commands that must start at once
	$(BIN)/python benchmarks/startup.py

sparsezoo: .venv-sparsezoo/.installed ## install the last sparsezoo apart, so that the tests can hold ours to it

runtimes: $(RUNTIMES:%=.venv-%/.installed) .venv-transformers-js/.installed ## install runtimes apart, so that the tests run the model card's code in each

browser: .venv-browser/.installed ## install a headless Chromium apart, so that the tests open the report in it

clean: ## remove the virtual environments and the quick start's project
	rm -rf $(VENV) .venv-* $(QUICKSTART)

# The stamp is older than what it depends on when either file changed, and is written only when all went well.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: sparsebuild needs Python 3.11 or newer; name one with `make PYTHON=python3.11 ...`")'
	@echo "installing into $(VENV); PyTorch is large, so the first time takes a while"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Environments of other releases, each whole in its file, so that nothing is resolved anew.
.venv-%/.installed: $(NEAR)/%.txt
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement $<
	@touch $@

# optimum works with PyTorch, which is too large to have twice: it sees that of `.venv` behind its own packages.
.venv-optimum/.installed: $(NEAR)/optimum.txt $(STAMP)
	@$(PYTHON) -m venv --clear .venv-optimum
	@.venv-optimum/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement $<
	@echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> "$$(.venv-optimum/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz-behind.pth"
	@touch $@

# npm checks every package by the sha512 in package-lock.json; scripts of packages, which would download more, do not run.
.venv-transformers-js/.installed .venv-browser/.installed: .venv-%/.installed: $(NEAR)/%/package-lock.json
	@mkdir -p .venv-$*
	@cp $(NEAR)/$*/package.json $< .venv-$*/
	@npm ci --prefix .venv-$* --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@if [ -e $(NEAR)/$*/unpack.mjs ]; then node $(NEAR)/$*/unpack.mjs .venv-$*; fi
	@touch $@
