# make demo, demo-dim: see it work.  make test: prove it works; parity-full: what takes too long for that.
# All set up everything they need.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready

.PHONY: demo demo-dim test lint parity parity-full bench versions clean

demo: $(READY)
	$(BIN)/python scripts/demo.py

demo-dim: $(READY)
	$(BIN)/python scripts/demo.py dim

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile tests parity

lint: $(READY)
	$(BIN)/ruff check .

parity: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile parity

parity-full: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests parity -m full

bench: $(READY)
	$(BIN)/python -m benchmarks

versions: $(READY)
	$(BIN)/python -m scripts.versions

$(READY): requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $(READY)

clean:
	rm -rf $(VENV) build
