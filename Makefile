# All that a fresh machine needs: Python 3.11 or newer, make, and a package index.
PYTHON ?= python3
# Options for every pip install, such as PIP_ARGS='--extra-index-url https://download.pytorch.org/whl/cpu'.
PIP_ARGS ?=
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS)
# DVC starts the stages by name: the environment's own `augment` must come first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# The scripts of an environment name the place where it was made. Where the checkout was moved or copied since, they
# fail or run the other one's code, so the environment is made anew.
ANEW := $(shell made=$$(sed -n 's|^command = .* -m venv [^/]*||p' $(VENV)/pyvenv.cfg 2>/dev/null); \
	[ -z "$$made" ] || [ "$$made" -ef $(VENV) ] || echo anew)

# What the stages write, beside results/metrics.json, which git keeps.
PARTS := $(addprefix data/real/,train validation test)
OUTS := $(addprefix data/,recipes.parquet subsets generated filtered) \
	$(addprefix data/real/,source.json files.csv near-duplicates.png) \
	$(foreach part,$(PARTS),$(addprefix $(part)/,images.npy labels.npy meta.json)) \
	$(addprefix models/,examiner judges generators checkpoints) \
	$(addprefix results/,training grids checkpoints filtering inspection figures) \
	$(addprefix results/,report.html scores.json verdict.json cells.parquet predictions.npy \
	choices.json confirmed.parquet confirmed.npy)
LOGS := $(addprefix logs/,stages.jsonl cells.csv) $(wildcard logs/train-gan-[0-9]*-[0-9]*.csv logs/train-gan-all-[0-9]*.csv)
FOLDERS := $(PARTS) data/real data models logs

.DEFAULT_GOAL := help
.PHONY: help study test test-slow test-full-data test-browser bench lint format types check pre-commit clean scm anew

help:  ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

study: scm  ## install, then run the whole study on the embedded digits (10 to 22 minutes)
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

bench: $(VENV)/.test  ## speed side by side with other ways; ONLY=frechet runs one file of benchmarks/
	python -m benchmarks $(ONLY)

lint: $(VENV)/.dev  ## check style and format
	ruff check .
	ruff format --check .

format: $(VENV)/.dev  ## put style and format right
	ruff check --fix .
	ruff format .

types: $(VENV)/.dev  ## check types
	mypy

check: scm  ## check params.yaml, the data and the machine in a second
	augment check

pre-commit: $(VENV)/.dev  ## run on every commit what CI runs on style, format and types
	pre-commit install

clean:  ## remove the environment and every result; the cache of trained cells stays
	rm -rf $(VENV) synthaug.egg-info $(OUTS) $(LOGS)
	@rmdir $(FOLDERS) 2>/dev/null || true

# Without a git repository of its own, as after unpacking an archive, DVC must not look for one, or it takes that of
# a folder above.
scm: $(VENV)/.study
	@if [ -e .git ] || git ls-files --error-unmatch dvc.yaml >/dev/null 2>&1; then \
		! grep -qs 'no_scm = true' .dvc/config.local || dvc config --local --unset core.no_scm; \
	else \
		grep -qs 'no_scm = true' .dvc/config.local || dvc config --local core.no_scm true; \
	fi

$(VENV)/bin/python $(VENV)/.study $(VENV)/.test $(VENV)/.dev: $(ANEW)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(if $(ANEW),rm -rf $(VENV))
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
