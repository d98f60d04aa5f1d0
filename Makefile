# Set-up, checks and the demo. `make help` lists what there is.
#
# PYTHON   the interpreter that makes .venv (3.11 or newer)
# EXTRA    further pip options, such as an index of your own
# RESULTS  what `make results` does first: see scripts/results/__main__.py

PYTHON ?= python3
EXTRA ?=
RESULTS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_CHECKS := $(VENV)/.installed-checks

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format lock results clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(INSTALLED)  ## make .venv and install the program with what builds need

demo: $(INSTALLED)  ## fetch the default base model, build the Python sub-model, complete a line of this repository
	$(BIN)/sned fetch
	$(BIN)/sned detect .
	$(BIN)/sned build . --recipe fast
	$(BIN)/python scripts/demo.py

test: $(INSTALLED_CHECKS)  ## run all tests, those with the real model included
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(INSTALLED_CHECKS)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED_CHECKS)  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## write constraints.txt from what is installed
	$(BIN)/python scripts/lock.py

results: $(INSTALLED)  ## write the tables of docs/results.md; RESULTS="--measure --evals FOLDER" measures what is missing
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/results $(RESULTS)

clean:  ## remove .venv and caches; the models stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("sned needs Python 3.11 or newer; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# llama.cpp is compiled here the first time, which takes a while; pip keeps what comes out.
$(INSTALLED): $(VENV)/bin/python pyproject.toml constraints.txt $(wildcard native/*.cpp native/*.h native/build.py)
	$(PIP) install --quiet --upgrade --constraint constraints.txt pip
	$(PIP) install $(EXTRA) $$($(BIN)/python scripts/torch_index.py) --constraint constraints.txt --editable '.[build,plots]'
	$(BIN)/python native/build.py
	touch $@

$(INSTALLED_CHECKS): $(INSTALLED)
	$(PIP) install --quiet --constraint constraints.txt --group test --group lint
	touch $@
