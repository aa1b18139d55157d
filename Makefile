# Every target sets up what it needs: a virtual environment in .venv, made again when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?=
DEVICE ?=
KERNEL ?= laplacian
THRESHOLD ?= 16
IMAGES ?=
BOARD ?= icebreaker
STAGE ?=
MATERIAL ?= cspbbr3
SCHEDULER ?=
ARGUMENTS ?=
DATA ?=
GAPS ?=
LATTICES ?=

.PHONY: help demo bitstream bitstreams program sim sim-netlist test test-slow lint formal witness bench paper explore materials wheel docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo        a real radiograph through the gateware on the virtual board; results in out/demo"
	@echo "                 IMAGE=path KERNEL=name THRESHOLD=codes choose another one, DEVICE=url a board to upload it to"
	@echo "make bitstream   a bitstream and the report on it, in out/bitstreams (BOARD=name; make bitstreams: of every board)"
	@echo "make program     load it into the board (BOARD=name)"
	@echo "make test        lint, types, verification, proofs and tests"
	@echo "make sim         verification alone: every stage against the golden model (WAVES=1, SIM=icarus, BENCH=names)"
	@echo "make sim-netlist a board's design through its pins: RTL, netlist, and what is in the bitstream (BOARD=name, STAGE=name)"
	@echo "make formal      proofs alone"
	@echo "make witness     the UART's recorded line, read by sigrok (installed by apt-get where possible)"
	@echo "make test-slow   sweeps that take longer, a million faults, fuzzing"
	@echo "make bench       bits on the wire, decoders, gateware and virtual board beside their peers; results in out/bench"
	@echo "                 IMAGES=folder measures its images too, PARTS=\"wire decode board gateware growth files\" chooses"
	@echo "make paper       the results of the in-sensor computing paper again, beside its numbers; the page in out/paper"
	@echo "                 IMAGES=folder counts kept pixels and bits of its images too, MATERIAL=name or file of the crystal"
	@echo "make explore     kernel, threshold, gain, bits and dose against edges and bits; page and settings in out/explore"
	@echo "                 MATERIAL=name, file or formula, SCHEDULER=tcp://host:port of Dask, ARGUMENTS=\"--help\" for the rest"
	@echo "make materials   published perovskite detectors, models of them and what these are worth; the page in out/materials"
	@echo "                 DATA=file.csv adds detectors, GAPS=file.csv band gaps, LATTICES=file.csv unit cells"
	@echo "make wheel       the host library for other machines, in dist/; it needs no FPGA tool"
	@echo "make docs        write the generated pages in docs/ again"
	@echo "make clean       remove what was built, not the virtual environment"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "edgeray needs Python 3.11 or newer; name one: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.boards $(VENV)/.cluster $(VENV)/.demo $(VENV)/.paper $(VENV)/.test: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

# Two of the five models are extras. Where one does not install, the study goes on without it and says so.
$(VENV)/.materials: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[materials]'
	@for extra in boosting symbolic; do $(BIN)/python -m pip install --quiet --editable ".[$$extra]" \
		|| echo "the extra $$extra does not install: its model is left out"; done
	@touch $@

# A peer that does not install must not keep the others from being measured.
$(VENV)/.bench: pyproject.toml $(VENV)/.test
	@$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*extras["optional-dependencies"]["bench"], sep="\n")' | while read -r peer; do \
		$(BIN)/python -m pip install --quiet "$$peer" < /dev/null || echo "$$peer does not install: it is left out"; done
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/python -m sim.demo --kernel '$(KERNEL)' --threshold '$(THRESHOLD)' $(if $(IMAGE),--image '$(IMAGE)') \
		$(if $(DEVICE),--device '$(DEVICE)')

bitstream: $(VENV)/.boards
	$(BIN)/python -m boards build '$(BOARD)'

bitstreams: $(VENV)/.boards
	$(BIN)/python -m boards build all

program: $(VENV)/.boards
	$(BIN)/python -m boards program '$(BOARD)'

sim: $(VENV)/.test
	$(BIN)/python -m testbench $(BENCH)

sim-netlist: $(VENV)/.test $(VENV)/.boards
	$(BIN)/python -m testbench board --builds '$(strip $(BOARD) $(STAGE))'

# sigrok-cli has no wheel. Where it cannot be installed, its half of the test is skipped and says so.
witness: $(VENV)/.test
	@command -v sigrok-cli > /dev/null || { apt-get update -qq && apt-get install -qq -y sigrok-cli; } > /dev/null 2>&1 \
		|| echo "sigrok-cli cannot be installed here: install the package of that name to have it read the line"
	$(BIN)/pytest tests/test_uart_witness.py

formal: $(VENV)/.test
	$(BIN)/python -m testbench.formal

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint sim formal
	$(BIN)/pytest -n 2 -m 'not slow'

# atheris has no wheel for every machine. Where it cannot be installed, fuzzing is skipped and says so.
$(VENV)/.fuzz: pyproject.toml $(VENV)/.test
	@$(BIN)/python -m pip install --quiet --only-binary atheris --editable '.[fuzz]' || echo "atheris does not install"
	@touch $@

test-slow: $(VENV)/.fuzz
	$(BIN)/pytest -n 2 -m slow

bench: $(VENV)/.bench
	$(BIN)/python -m sim.bench $(PARTS) $(if $(IMAGES),--images '$(IMAGES)')

paper: $(VENV)/.paper
	$(BIN)/python -m sim.paper --material '$(MATERIAL)' $(if $(IMAGES),--images '$(IMAGES)')

explore: $(VENV)/.materials $(if $(SCHEDULER),$(VENV)/.cluster)
	$(BIN)/python -m sim.explore --material '$(MATERIAL)' $(if $(SCHEDULER),--scheduler '$(SCHEDULER)') $(ARGUMENTS)

materials: $(VENV)/.materials
	$(BIN)/python -m sim.materials report $(if $(DATA),--data '$(DATA)') $(if $(GAPS),--gaps '$(GAPS)') \
		$(if $(LATTICES),--lattices '$(LATTICES)')

docs: $(VENV)/.test
	$(BIN)/python -m edgeray.protocol.reference docs/reference.md
	$(BIN)/python -m sim.specification docs/wire-format.md
	$(BIN)/python -m boards docs docs/boards

# What a measuring machine installs: pip install dist/edgeray-*.whl
wheel: $(VENV)/bin/python
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
