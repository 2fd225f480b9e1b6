# Everything from a fresh clone: `make demo` shows the main job, `make test` checks all of it.
# Both install the exact versions of requirements/*.txt; `make lock` writes those files.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
LOCK_VENV := .venv-lock
NEWEST_VENV ?= .venv-newest
OLDEST_VENV ?= .venv-oldest
BIN := $(VENV)/bin
# Cases of `make fuzz`, and the seed of all that is drawn for them.
N ?= 3000
SEED ?= 0
PROMPT ?= The people of the United States
SOURCES := $(shell find src -type f -not -name '*.pyc' -not -path '*.egg-info*')
INSTALLER := $(wildcard requirements/*.py) requirements/torch.txt pyproject.toml setup.cfg
# Where the CPU build of torch comes from on Linux. Unset: PyTorch's own index where it answers, else what pip is set up for.
# TORCH_INDEX= (empty) leaves it out; another address asks there, say for a CUDA build.
ifdef TORCH_INDEX
export TORCH_INDEX
endif

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-newest test-oldest fuzz check device bench lock build clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.stamp  ## Create .venv with everything for development

$(VENV)/.stamp: requirements/dev.txt $(INSTALLER)
	$(PYTHON) requirements/install.py $(VENV) dev --editable
	@touch $@

demo: $(DEMO_VENV)/.stamp  ## Install as a user would, continue a prompt with the embedded model, check the installation
	HF_HUB_OFFLINE=1 $(DEMO_VENV)/bin/pixel-ar generate "$(PROMPT)" --seed 1 --output demo.png --force
	HF_HUB_OFFLINE=1 $(DEMO_VENV)/bin/pixel-ar selftest

$(DEMO_VENV)/.stamp: requirements/runtime.txt $(INSTALLER) MANIFEST.in $(SOURCES)
	$(PYTHON) requirements/install.py $(DEMO_VENV) runtime
	@touch $@

# Tests run beside each other, one thread each: threads of one would wait for those of another.
test test-newest test-oldest: export OMP_NUM_THREADS = 1
test test-newest test-oldest: export PYTEST_ADDOPTS := -n auto --maxprocesses 4 $(PYTEST_ADDOPTS)

test: check  ## Run all checks and the test suite
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

test-newest:  ## Run the suite on the newest releases there are (own .venv-newest, some gigabytes)
	HF_HUB_OFFLINE=1 $(PYTHON) requirements/try_versions.py newest $(NEWEST_VENV) $(PYTEST)

test-oldest:  ## Run the suite on the lower bounds of pyproject.toml (own .venv-oldest, some gigabytes)
	HF_HUB_OFFLINE=1 $(PYTHON) requirements/try_versions.py oldest $(OLDEST_VENV) $(PYTEST)

fuzz: $(VENV)/.stamp  ## Damaged files, attacks and odd inputs: make fuzz N=3000 SEED=1 [FUZZ='--parts fonts']
	PYTHONPATH=modeling_tests $(BIN)/python -m fuzz --n $(N) --seed $(SEED) $(FUZZ)

check: $(VENV)/.stamp  ## Format, lint and types, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

device:  ## All checks and figures of a CUDA device in eight minutes: make device DEVICE='--wheelhouse wheels'
	$(PYTHON) examples/benchmarks/device.py $(DEVICE)

bench: $(VENV)/.stamp  ## All benchmarks of this CPU, as tables and a line of JSON: make bench BENCH='--threads 2'
	$(BIN)/python examples/benchmarks/bench.py $(BENCH)

# dev.txt is resolved first and binds the other two, so that no version differs between the three.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(LOCK_VENV)/bin/uv pip compile --quiet --universal --generate-hashes \
	--python-version 3.11 --excludes requirements/excluded.txt --no-emit-package torch
BUILD_REQUIRES = $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

lock: $(LOCK_VENV)/bin/uv  ## Write the lock files: the newest releases that pyproject.toml allows, for all platforms
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade pyproject.toml - --all-extras -c requirements/torch.txt -o requirements/dev.txt
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade pyproject.toml - --extra train --extra peft -c requirements/torch.txt -c requirements/dev.txt -o requirements/train.txt
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade pyproject.toml - -c requirements/torch.txt -c requirements/dev.txt -o requirements/runtime.txt

$(LOCK_VENV)/bin/uv:
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/pip install --quiet uv

build: $(VENV)/.stamp  ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls -l dist

clean:  ## Remove the virtual environments and what builds leave behind
	rm -rf $(VENV) $(DEMO_VENV) $(LOCK_VENV) .venv-newest .venv-oldest build dist demo.png src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
