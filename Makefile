# Everything a newcomer types. `make` alone lists it.

PYTHON ?= python3
PORT ?= 8765
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

NEW_ENOUGH = $(shell { $(PYTHON) -c 'import sys; print("yes" * (sys.version_info >= (3, 11)))'; } 2>/dev/null)
HAS_VENV = $(shell { $(PYTHON) -c 'import ensurepip, venv; print("yes")'; } 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench prove

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/.runtime ## the whole bot on one page, nothing to configure (PORT=8765)
	@$(VENV)/bin/lipabot demo --port $(PORT)

# Tests start many processes, and each would compile everything anew where bytecode is not kept.
test: $(VENV)/.dev ## run the tests; with CI=true none may be skipped
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest

check: $(VENV)/.dev ## formatting, lint, types, and known vulnerabilities where PyPI can be asked
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(PY) -m tests.audit

bench: $(VENV)/.dev ## measure against the bars we promise
	@$(PY) -m tests.bench

prove: $(VENV)/.dev ## long proofs: seeded fault histories, kill -9, bad bodies
	@$(PY) -m tests.prove

$(PY):
	$(if $(filter yes,$(NEW_ENOUGH)),,$(error Lipabot needs Python 3.11 or newer: apt install python3.11 python3.11-venv, or name another one with PYTHON=/path/to/python3.11))
	$(if $(filter yes,$(HAS_VENV)),,$(error Lipabot needs Python's venv: apt install python3-venv))
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The demo needs no test tools: leaving them out halves the wait.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(PY)
	@echo "Installing into $(VENV) …"
	@$(PIP) --editable .
	@touch $@

# What a server would install comes first, and as there: no file but those whose SHA-256 is listed.
$(VENV)/.dev: pyproject.toml constraints.txt requirements.txt | $(PY)
	@echo "Installing into $(VENV) …"
	@$(PIP) --require-hashes --requirement requirements.txt
	@$(PIP) --editable '.[charts,dev,postgres]'
	@touch $(VENV)/.runtime $@
