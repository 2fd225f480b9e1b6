# Everything from a fresh clone: `make demo` shows the main job, `make test` checks all of it.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
BIN := $(VENV)/bin
# The CPU build. An open range would pull gigabytes of CUDA libraries where no torch is installed yet.
TORCH := torch==2.13.0
PROMPT ?= The people of the United States
SOURCES := $(shell find src -type f -not -name '*.pyc' -not -path '*.egg-info*')

.DEFAULT_GOAL := help
.PHONY: help venv demo test check build clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.stamp  ## Create .venv with everything for development

$(VENV)/.stamp: pyproject.toml setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev,train,peft]'
	@touch $@

demo: $(DEMO_VENV)/.stamp  ## Install the package as a user would, then continue a prompt with the embedded model
	HF_HUB_OFFLINE=1 $(DEMO_VENV)/bin/pixel-ar generate "$(PROMPT)" --seed 1 --output demo.png

$(DEMO_VENV)/.stamp: pyproject.toml setup.cfg MANIFEST.in $(SOURCES)
	test -x $(DEMO_VENV)/bin/pip || $(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/pip install --quiet $(TORCH)
	$(DEMO_VENV)/bin/pip install --quiet .
	@touch $@

test: check  ## Run all checks and the test suite
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

check: $(VENV)/.stamp  ## Format, lint and types, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

build: $(VENV)/.stamp  ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist

clean:  ## Remove the virtual environments and what builds leave behind
	rm -rf $(VENV) $(DEMO_VENV) build dist demo.png src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
