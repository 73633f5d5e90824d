# Everything a newcomer needs: make demo, make test. Everything a change needs: make check.
# The guarantees under crashes and faults, measured: make crash, or make crash ROWS='1 13 19'.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Tests wait most of the time, so two run per core; a file stays with one worker and shares its fixtures.
WORKERS ?= 4
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile
unexport PYTHONDONTWRITEBYTECODE  # the tests start hundreds of processes; each would compile everything again

.PHONY: setup demo run test check crash lock

setup: $(READY)

$(READY): requirements.lock .ci/uv.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --require-hashes -r .ci/uv.txt
	$(BIN)/uv pip sync --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/sugarbot demo

run: setup
	$(BIN)/sugarbot run

test: setup
	$(PYTEST)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

crash: setup
	$(BIN)/python -m tests.crash $(ROWS)

lock:  ## pin every package again; the file names no index
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --extra web --extra dev \
		--no-header --upgrade -o requirements.lock pyproject.toml
