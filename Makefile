# Everything a newcomer needs: `make quickstart` and `make test` set up what they use.

PYTHON ?= python3
# Relative, so that a checkout in a path with spaces works: make cannot quote a target.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test test-slow lint types format clean

quickstart: $(STAMP)  ## the whole job on the sample corpus: vocabulary to exported encoder
	$(BIN)/python -m data.sample.quickstart --output quickstart

test: $(STAMP)  ## the default tests: offline, under ten minutes on two cores
# By files, whose fixtures are made once.
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(STAMP)  ## the heavier tests; those on real text need LEALLA_DATA
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## types
	$(BIN)/mypy

format: $(STAMP)  ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Installed again only when what is to be installed changes.
$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
		{ echo "lealla_tf needs Python 3.10 to 3.13; name one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing TensorFlow and the rest into $(VENV), once: some 3 GB, some minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(STAMP)

clean:  ## remove what make made
	rm -rf $(VENV) build dist quickstart *.egg-info
