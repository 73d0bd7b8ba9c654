# Two commands matter: `make run` and `make test`. `make help` lists the others.

# Tried by running it: a name on PATH may be a shim for a version that is not installed.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
  $$name -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$name && break; done)
VENV   ?= .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 8080
DATABASE ?= sqlite:///data/fhir-infusion.db
JUNIT  ?= build/junit.xml
PYTEST_ARGS ?=
WORKERS ?= 2
MUTANTS ?= 400
MODULE ?=
SEED   ?= 1
LONG_MINUTES ?= 360

.DEFAULT_GOAL := help
.PHONY: help run test long lint format coverage bench mutants install screenshots constraints clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# The stamps are newer than what they were made from, so that a second call installs nothing.
$(VENV)/run.stamp: pyproject.toml docker/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint docker/constraints.txt --editable .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml docker/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint docker/constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp

install: $(VENV)/dev.stamp  ## make .venv with everything that development needs

run: $(VENV)/run.stamp  ## serve on loopback with the embedded database; PORT=8080
	$(BIN)/fhir-infusion serve --host $(HOST) --port $(PORT) --database $(DATABASE)

test: lint  ## every check and every test, at its short count
	@mkdir -p $(dir $(JUNIT))
	FHIR_INFUSION_COUNT=short $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --junitxml=$(JUNIT) $(PYTEST_ARGS)

long: $(VENV)/dev.stamp  ## every test at its full count; note the run in tests/README.md
	@mkdir -p $(dir $(JUNIT))
	FHIR_INFUSION_COUNT=long timeout $(LONG_MINUTES)m $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout=14400 --junitxml=$(JUNIT) $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp  ## style, types and layers
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo --no-cache

format: $(VENV)/dev.stamp  ## lay the code out as ruff does
	$(BIN)/ruff format

coverage: $(VENV)/dev.stamp  ## line and branch coverage of records, mapping and fhir; fails below 95 %
	$(BIN)/python -m pytest tests/records tests/mapping tests/fhir tests/laws tests/golden -q \
	  --cov=fhir_infusion.records --cov=fhir_infusion.mapping --cov=fhir_infusion.fhir --cov-fail-under=95 $(PYTEST_ARGS)

bench: $(VENV)/dev.stamp  ## how fast translation is, beside the naive path; writes bench.json
	$(BIN)/python -m tests.bench --json bench.json

mutants: $(VENV)/dev.stamp  ## change the code in MUTANTS=400 places; MODULE=mapping/residue; SEED=1; names what no test sees
	nice -n 10 $(BIN)/python -m tests.mutants --count $(MUTANTS) --module "$(MODULE)" --seed $(SEED)

screenshots: $(VENV)/dev.stamp  ## take the pictures of the pages anew, for the README; to be looked at
	$(BIN)/python -m tests.browser.screenshots

constraints: $(VENV)/dev.stamp  ## write the installed versions to docker/constraints.txt
	@mkdir -p build
	@{ sed '/^[^#]/,$$d' docker/constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > build/constraints.txt
	@mv build/constraints.txt docker/constraints.txt

clean:  ## remove what was built, not the data
	rm -rf build dist $(VENV) tests/*/*/target
