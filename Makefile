# Everything a newcomer needs: make demo, make test. Everything a change needs: make check, which runs the slow tests, too.
# The guarantees under crashes and faults, measured: make crash, or make crash ROWS='1 13 19'.
PYTHON ?= python3
BIN := .venv/bin
# Tests wait most of the time, so two run per core; a file stays with one worker and shares its fixtures.
WORKERS ?= 4
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder  # tests/order.py has the order
unexport PYTHONDONTWRITEBYTECODE  # the tests start hundreds of processes; each would compile everything again

# Without a card, .venv lacks NVIDIA's CUDA libraries, 2.7 GB. `make CARD=yes` or `make CARD=no` decides instead.
CARD ?= $(if $(wildcard /dev/nvidiactl /dev/dxg),yes,no)
NO_CUDA := --excludes .ci/cuda-packages.txt
READY := .venv/.ready-card-$(CARD)
# What `make demo` and `make run` need; without a card it is smaller than what the tests need.
TO_RUN := $(or $(wildcard $(READY)),$(if $(filter no,$(CARD)),.venv/.ready-to-run,$(READY)))
UV_PIP := $(BIN)/uv pip
EXACTLY := $(UV_PIP) install --exact --no-deps --require-hashes
INPUTS := requirements.lock requirements-run.lock .ci/cuda-packages.txt .ci/triton.txt .ci/uv.txt pyproject.toml
# Each way of installing replaces what another has left in .venv; the small one has removed parts of torch.
WHOLE_TORCH = $(if $(wildcard .venv/.ready-to-run),--reinstall-package torch)
define FINISH
$(UV_PIP) install --quiet --no-deps --no-build-isolation -e .
rm -f .venv/.ready*
touch $@
endef

.PHONY: setup demo run test check crash lock

setup: $(READY)

.venv/.ready-card-yes: $(INPUTS) | $(BIN)/uv
	$(UV_PIP) sync --require-hashes --compile-bytecode $(WHOLE_TORCH) requirements.lock
	$(FINISH)

.venv/.ready-card-no: $(INPUTS) | $(BIN)/uv
	$(EXACTLY) --compile-bytecode $(WHOLE_TORCH) $(NO_CUDA) -r requirements.lock
	$(BIN)/python -m engine.cuda.stand_ins
	$(FINISH)

.venv/.ready-to-run: $(INPUTS) | $(BIN)/uv
	$(EXACTLY) $(NO_CUDA) --excludes .ci/triton.txt -r requirements-run.lock
	$(BIN)/python -m engine.cuda.stand_ins --small
	$(FINISH)

$(BIN)/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r .ci/uv.txt

demo: $(TO_RUN)
	$(BIN)/sugarbot demo

run: $(TO_RUN)
	$(BIN)/sugarbot run

test: setup
	$(PYTEST) -m "not slow"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

crash: setup
	$(BIN)/python -m tests.crash $(ROWS)

# The files name no index. The second one has what the bot needs to run, at the same versions.
COMPILE := $(UV_PIP) compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra web
lock:  ## pin every package again
	$(COMPILE) --extra dev --upgrade -o requirements.lock pyproject.toml
	echo hatchling | $(COMPILE) --constraint requirements.lock -o requirements-run.lock pyproject.toml .ci/uv.txt -
