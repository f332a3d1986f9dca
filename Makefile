# make help lists the targets. PYTHON=python3.12 chooses the Python that makes .venv; TORCH=cpu takes torch's CPU build.
# The README gives the same in plain lines for those without make.

PYTHON  ?= python3
WORKERS ?= 2
TORCH   ?=
L       ?=

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
PIP    += $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)
OFFLINE := $(BIN)/python .ci/offline.py
PYTEST  := $(BIN)/python -m pytest -q

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help course test install-test lint types unit browser notebooks check lectures checkpoint bench picture player \
        constraints clean

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

course: $(VENV)/.course ## Start the course: notebooks and viewer (sets up .venv the first time)
	@exec $(BIN)/lilllm course start

test: install-test lint types unit browser notebooks check ## Install what tests need, and run them all

lint: install-test ## ruff, and the layers of the package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install-test ## mypy
	$(BIN)/mypy

unit: install-test ## Unit tests, with the network cut off
	$(OFFLINE) $(PYTEST) -n $(WORKERS) --dist worksteal --durations=10 -m "not browser and not gpu and not network" tests

browser: install-test ## Tests in a real Chromium, with the network cut off
	@# Chromium itself looks for updates and routes: recorded, not a failure. What pages ask for, the tests look at.
	$(OFFLINE) --record-only $(PYTEST) -n $(WORKERS) --dist loadfile -m "browser and not network" tests

notebooks: install-test ## Every notebook runs again: outputs compared strictly, figures as images
	@if ls lectures/*.ipynb >/dev/null 2>&1; then \
	  $(OFFLINE) $(PYTEST) -n $(WORKERS) --dist loadfile -p lilllm.lectures.nbval_figures --nbval --nbval-current-env lectures; \
	else echo "no notebooks yet: make lectures"; fi

check: install-test ## Sources, notebooks and traces belong together
	$(BIN)/lilllm lectures check

lectures: $(VENV)/.course ## Build what changed: notebooks with outputs, and traces (L=05 for one)
	$(BIN)/lilllm lectures build $(L)

checkpoint: $(VENV)/.course ## Train the LilTown model that the package carries, from seed 0 (a quarter of an hour)
	rm -rf runs/.checkpoint
	$(BIN)/lilllm train --preset liltown --data liltown --seed 0 --out runs/.checkpoint
	$(BIN)/lilllm export runs/.checkpoint lilllm/inference/liltown --overwrite

bench: install-test ## All benchmarks, as tables of ratios
	$(BIN)/python tests/bench/run.py

player: install-test ## After a change to the player: its small forms, which pages carry (needs Node)
	$(BIN)/python -m lilllm.tracing.player

picture: install-test ## Take the README's picture again, from lecture 01's trace (needs Chromium)
	$(BIN)/python viewer/picture.py

constraints: install-test ## Write the versions of .venv into constraints.txt
	$(BIN)/python .ci/constraints.py

clean: ## Delete caches and what tests leave behind (not .venv, not my-course)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis artifacts build dist .building-*
	find lilllm tests viewer -name __pycache__ -type d -exec rm -rf {} +

install-test: $(VENV)/.test

# A stamp is newer than these two files while what they ask for is installed; so a second start installs nothing.
$(VENV)/.course: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the course into $(VENV) (some minutes the first time)"
	@$(PIP) -e ".[lab,viewer]"
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the course and what its tests need into $(VENV) (some minutes the first time)"
	@$(PIP) --quiet -e ".[dev]"
	@touch $@ $(VENV)/.course

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 || echo not there); lilllm needs Python 3.11 to 3.14." \
	       "Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
