# All that a fresh machine needs: Python 3.11 or newer, make, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# DVC starts the stages by name: the environment's own `augment` must come first.
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help study test test-slow test-full-data test-browser lint format types check pre-commit clean

help:  ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

study: $(VENV)/.study  ## install, then run the whole study on the embedded digits (11 minutes)
	dvc repro
	@echo "open results/report.html"

test: $(VENV)/.test  ## install, then run the default tests
	pytest --numprocesses auto

test-slow: $(VENV)/.test  ## the tests that take longer
	pytest --numprocesses auto -m slow

test-full-data: $(VENV)/.test  ## the tests on full data sets in AUGMENT_DATA_DIR
	pytest -m full_data

test-browser: $(VENV)/.test  ## the tests of the report page; they need Chromium
	pytest -m browser

lint: $(VENV)/.dev  ## check style and format
	ruff check .
	ruff format --check .

format: $(VENV)/.dev  ## put style and format right
	ruff check --fix .
	ruff format .

types: $(VENV)/.dev  ## check types
	mypy

check: $(VENV)/.study  ## check params.yaml, the data and the machine in a second
	augment check

pre-commit: $(VENV)/.dev  ## run on every commit what CI runs on style, format and types
	pre-commit install

clean:  ## remove the environment and every result; the cache of trained cells stays
	rm -rf $(VENV) data/real data/units data/recipes.parquet models logs *.egg-info
	rm -rf results/figures results/units results/report.html results/scores.json
	rm -f results/cells.parquet results/predictions.npy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.study: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.study

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.study
