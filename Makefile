# make run: the bus, the hardware service and a listener, from a bare clone.
# make test: the whole suite. make lint: ruff and mypy. Needs Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
# What is compiled where a C compiler is; pybus is built anew when it changes.
HOT := $(foreach hot,$(wildcard pybus/*/*.pxd pybus/*/*/*.pxd),$(hot) $(hot:.pxd=.py))

.PHONY: run test lint bench sanitize clean

run: $(VENV)/.run
	@$(BIN)/pybus run

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The hot modules, compiled with the sanitizers for addresses and undefined behaviour, against hostile bytes and programs.
sanitize: $(VENV)/.test
	rm -rf build/sanitized
	mkdir -p build/sanitized
	tar -c --exclude='*.so' --exclude=__pycache__ pyproject.toml setup.py README.md LICENSE pybus services systemd tests | \
	  tar -x -C build/sanitized
	cd build/sanitized && CFLAGS="$(SANITIZERS) -O0 -g1" ../../$(BIN)/python setup.py -q build_ext --inplace
	cd build/sanitized && LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
	  ../../$(BIN)/python -m pytest -p no:cacheprovider tests/protocol tests/broker/queues \
	  tests/property/test_frames.py tests/property/test_fuzz.py tests/property/test_queues.py

bench: $(VENV)/.bench
	@# Debian keeps some of the brokers where a person's PATH does not lead. What keeps no compiled modules starts slowly.
	env -u PYTHONDONTWRITEBYTECODE PATH="$$PATH:/usr/sbin" $(BIN)/python -m tests.bench $(ARGS)

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
