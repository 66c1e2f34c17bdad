# make run: the bus, the hardware service and a listener, from a bare clone.
# make test: the whole suite. make lint: ruff and mypy. Needs Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is compiled where a C compiler is; pybus is built anew when it changes.
HOT := $(foreach hot,$(wildcard pybus/*/*.pxd pybus/*/*/*.pxd),$(hot) $(hot:.pxd=.py))

.PHONY: run test lint bench clean

run: $(VENV)/.run
	@$(BIN)/pybus run

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	@# Debian keeps some of the brokers where a person's PATH does not lead.
	PATH="$$PATH:/usr/sbin" $(BIN)/python -m tests.bench $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pybus needs Python 3.11 or later; say which with: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip

$(VENV)/.run: $(BIN)/python pyproject.toml setup.py $(HOT)
	$(BIN)/python -m pip install -qq --editable '.[services]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml setup.py $(HOT)
	$(BIN)/python -m pip install -qq --editable '.[services,test]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(BIN)/python pyproject.toml setup.py $(HOT)
	$(BIN)/python -m pip install -qq --editable '.[bench]'
	@touch $@ $(VENV)/.test $(VENV)/.run

clean:
	rm -rf $(VENV) build dist *.egg-info pybus/not-compiled.txt
	find pybus -name '*.so' -delete
