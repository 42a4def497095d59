# Everything runs in .venv, made on first use; installing again happens only when what is needed changes.
PYTHON ?= python3
BIN := .venv/bin
# Tests run side by side, a file to a process; each imports torch, so that four are enough.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*##/\t/'

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

demo: $(READY)  ## the main job on the embedded data set: videos, trainings, leaderboard, page
	$(BIN)/harness demo

test: $(READY)  ## the whole test suite at reduced depth
	$(PYTEST)

soak: $(READY)  ## the same tests at full depth: only the counts differ
	HARNESS_SOAK=1 $(PYTEST) --timeout 3600

check: $(READY)  ## linters and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/deptry harness
	$(BIN)/mypy

format: $(READY)  ## rewrite the sources in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what demo and test made; .venv stays
	rm -rf cache runs leaderboards/out
