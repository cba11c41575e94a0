# Everything from a fresh clone: `make demo` and `make test` set up .venv first, where that is not done yet.
#
#   make demo                       compile, simulate and verify a trained network
#   make test                       lint, type-check and test (adds torch and the development tools to .venv)
#   make PYTHON=python3.12 demo     another interpreter
#   make PIP_FLAGS=... demo         options for pip install
#   make EXTRAS=tools,build demo    what else of bhc to install

PYTHON ?= python3
PIP_FLAGS ?=
EXTRAS ?= tools
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)

.PHONY: help demo test lint pytest setup-demo setup-test clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: setup-demo
	$(BIN)/python examples/demo/run.py

test: lint pytest

lint: setup-test
	$(BIN)/ruff check --output-format=concise .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

pytest: setup-test
	$(BIN)/pytest -n $(JOBS)

setup-demo: $(VENV)/demo.stamp
setup-test: $(VENV)/test.stamp

$(VENV)/created.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'bhc needs Python 3.11 or later; name one with: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo 'bhc needs the venv module of Python (Debian, Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	@for tool in g++ perl; do command -v $$tool >/dev/null || \
	  { echo "bhc needs $$tool, for Verilator (Debian, Ubuntu: apt-get install g++ make perl)" >&2; exit 1; }; done
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/created.stamp pyproject.toml constraints.txt
	$(INSTALL) --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@# For the BasicMotions recordings inside the wheel. What aeon depends on is not needed, and does not fit beside numpy 2.4.
	$(INSTALL) --no-deps aeon==1.6.0
	@touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	@echo 'torch is large: this takes a few minutes'
	$(INSTALL) --constraint constraints.txt --editable '.[tools,build,hls4ml,train,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist bhc.egg-info examples/demo/out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
