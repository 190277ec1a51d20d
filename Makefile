# make demo, demo-dim: see it work.  make test: prove it works; parity-full: what takes too long for that.
# All set up everything they need.
PYTHON ?= python3.11
VENV ?= .venv
GUEST ?= .venv-guest
# What CI ran with, on Python 3.11; with another PYTHON: make CONSTRAINTS=/dev/null TARGET
CONSTRAINTS ?= constraints.txt
BIN = $(VENV)/bin
READY = $(VENV)/ready

.PHONY: demo demo-dim test lint parity parity-full parity-guest bench versions lite clean

demo: $(READY)
	$(BIN)/python scripts/demo.py

demo-dim: $(READY)
	$(BIN)/python scripts/demo.py dim

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests parity

lint: $(READY)
	$(BIN)/ruff check .

parity: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder parity

parity-full: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests parity -m full

parity-guest: $(GUEST)/ready
	$(GUEST)/bin/python -m parity.guest

bench: $(READY)
	$(BIN)/python -m benchmarks

versions: $(READY)
	$(BIN)/python -m scripts.versions

lite: $(READY)
	$(BIN)/python -m parity.lite

$(READY): requirements.txt requirements-dev.txt $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) -r requirements-dev.txt
	touch $(READY)

# Of its own: what others wrote is compared beside what it asks for, and is no requirement of this project.
$(GUEST)/ready: requirements-guest.txt $(CONSTRAINTS)
	$(PYTHON) -m venv $(GUEST)
	$(GUEST)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) torch==2.13.0
	$(GUEST)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) -r requirements-guest.txt
	touch $(GUEST)/ready

clean:
	rm -rf $(VENV) $(GUEST) build
