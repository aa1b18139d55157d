# Every target sets up what it needs: a virtual environment in .venv, made again when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?=
KERNEL ?= laplacian
THRESHOLD ?= 16

.PHONY: help demo sim test test-slow lint formal bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo        a real radiograph through the gateware on the virtual board; results in out/demo"
	@echo "                 IMAGE=path KERNEL=name THRESHOLD=codes choose another one"
	@echo "make test        lint, types, verification, proofs and tests"
	@echo "make sim         verification alone: every stage against the golden model (WAVES=1, SIM=icarus, BENCH=names)"
	@echo "make formal      proofs alone"
	@echo "make test-slow   sweeps that take longer"
	@echo "make bench       speed of the virtual board and of the decoder on this machine"
	@echo "make docs        write the generated pages in docs/ again"
	@echo "make clean       remove what was built, not the virtual environment"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "edgeray needs Python 3.11 or newer; name one: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/python -m sim.demo --kernel '$(KERNEL)' --threshold '$(THRESHOLD)' $(if $(IMAGE),--image '$(IMAGE)')

sim: $(VENV)/.test
	$(BIN)/python -m testbench $(BENCH)

formal: $(VENV)/.test
	$(BIN)/python -m testbench.formal

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint sim formal
	$(BIN)/pytest -n 2 -m 'not slow'

test-slow: $(VENV)/.test
	$(BIN)/pytest -n 2 -m slow

bench: $(VENV)/.test
	$(BIN)/python -m sim.bench

docs: $(VENV)/.test
	$(BIN)/python -m edgeray.protocol.reference docs/reference.md

clean:
	rm -rf build out .mypy_cache .ruff_cache .pytest_cache .hypothesis
