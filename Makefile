# MRLF pipeline. A bare `make` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo study test test-fast coverage lint ui bench faults fakes lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-bench
PEERS_READY := $(PEERS)/.ready
WITH_PEERS := masks
DEMO_WEIGHTS := efficientnet_lite0
BENCHMARKS := demo|definitions|startup|epoch|crawl|refresh|soak|masks|builtin_masks|gate|inpaint|features|growth|training|predict|study|best|paths|gpu|gpu_training
ACTIVATE := . $(BIN)/activate

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 11

setup: $(READY)  ## the virtual environment with the locked packages

$(READY): requirements.lock pyproject.toml deploy/activate
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || { echo "== making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== installing the locked packages (about 6 GB, most of it torch; a few minutes)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements.lock \
		| sed -unE 's/^Collecting ([^ ]+).*/   \1/p; s/^Installing collected packages.*/== unpacking them/p'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import cv2' 2>/dev/null \
		|| { echo "OpenCV cannot start: on Debian and Ubuntu, apt install libgl1 libglib2.0-0"; exit 1; }
	@grep -q DAGSTER_HOME $(BIN)/activate || cat deploy/activate >> $(BIN)/activate
	@$(ACTIVATE) && dagster instance info >/dev/null 2>&1
	@echo "== fetching the weights that the demo city takes: $(DEMO_WEIGHTS)"
	@$(ACTIVATE) && mrlf weights fetch $(DEMO_WEIGHTS) \
		|| echo "   not to be had now: the demo tries again, else takes a stand-in and says so (docs/WEIGHTS.md)"
	@touch $(READY)

demo: setup  ## build the demo city end to end: archive, data set, model, report
	@echo "== building the demo city (all of it invented by a seeded generator)"
	@$(ACTIVATE) && PYTHONWARNINGS=ignore dagster asset materialize --select "+evaluate_mrlf" --partition demo
	@$(ACTIVATE) && mrlf status demo

CITY ?= demo

study: setup  ## the paper's tables and figures on a city's data set: make study CITY=demo
	@$(ACTIVATE) && PYTHONWARNINGS=ignore mrlf study $(CITY)

# several workers share the cores: threads of one that wait for work spin beside the others
# a worker that died is not started again: xdist would wait for ever for what the dead one had in hand
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0
test test-fast coverage: export OMP_NUM_THREADS := 1
test test-fast coverage: export OPENBLAS_NUM_THREADS := 1
# where bytecode is not written, every worker and every process that a test starts compiles all of our modules anew
test test-fast coverage: export PYTHONDONTWRITEBYTECODE :=
test: setup  ## run the tests: no network, no GPU, no weights needed
	@$(PYTEST)

test-fast: setup  ## the tests that are not marked slow: quick check while editing
	@$(PYTEST) -m "not slow"

coverage: setup  ## run the tests and report the lines that none of them ran; fails below the floor in pyproject.toml
	@$(PYTEST) --cov --cov-report term:skip-covered --cov-report html

lint: setup  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: setup  ## open Dagster on http://127.0.0.1:3000
	@$(ACTIVATE) && deploy/ui

bench: setup $(if $(filter $(WITH_PEERS),$(NAME)),$(PEERS_READY))  ## run one benchmark: make bench NAME=epoch
	@test -n "$(NAME)" || { echo "which one? make bench NAME=$(BENCHMARKS)"; exit 2; }
	@$(ACTIVATE) && python -m bench.$(NAME)

$(PEERS_READY): requirements-bench.lock
	@test -x $(PEERS)/bin/python || { echo "== making $(PEERS)"; $(PYTHON) -m venv $(PEERS); }
	@echo "== installing what the benchmark compares with (about 350 MB)"
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps -r requirements-bench.lock
	@touch $(PEERS_READY)

faults: export MRLF_LONG_TESTS := 1
faults: setup  ## run the fault suite and print a table of its cases
	@$(BIN)/python -m tests.faults

fakes: setup  ## a fake Foursquare and Instagram to collect from by hand: make fakes OPTIONS="--posts 200 --slow"
	@exec $(BIN)/python -m tests.fakes $(OPTIONS)

lock:  ## make requirements.lock and requirements-bench.lock anew (needs uv)
	uv pip compile pyproject.toml --universal --extra ui --extra deploy --extra cpu --extra iceberg --extra serve --extra mlflow --extra dev --override requirements.override --python-version 3.11 \
		--no-header --no-emit-index-url --no-annotate --upgrade -o requirements.lock
	echo 'rembg[cpu]>=2.0.86' | uv pip compile - --universal --python-version 3.11 \
		--no-header --no-emit-index-url --no-annotate --upgrade -o requirements-bench.lock

clean:  ## remove the environment, caches and Dagster's history; data/ stays
	rm -rf $(VENV) $(PEERS) .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +
	@echo "data/ was left alone: remove it by hand if you mean it"
