"""The order of the test files: the longest start first, so that no worker ends alone with a long one."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FIRST = (
    "tests/crash/test_kills.py",
    "tests/crash/test_chats.py",
    "tests/crash/test_rows.py",
    "tests/card/test_scripts.py",
    "tests/integration/chats/test_conformance.py",
    "tests/examples/test_readme.py",
    "tests/integration/demo/test_metrics.py",
    "tests/integration/web/operator/test_operator_tab.py",
    "tests/integration/app/test_setup_terminal.py",
    "tests/integration/pipeline/test_updates_switching.py",
    "tests/integration/demo/test_training.py",
    "tests/unit/engine/planner/test_cost_accuracy.py",
    "tests/soak/test_soak.py",
    "tests/integration/app/test_setup.py",
    "tests/integration/pipeline/test_lora_ways.py",
    "tests/integration/pipeline/test_updates_rounded.py",
    "tests/integration/pipeline/test_residency.py",
    "tests/integration/pipeline/test_bench.py",
    "tests/integration/app/test_start.py",
    "tests/integration/pipeline/test_memory_fit.py",
    "tests/integration/pipeline/test_loras.py",
    "tests/integration/app/test_end.py",
    "tests/integration/app/test_doctor.py",
    "tests/integration/pipeline/test_pipeline.py",
    "tests/integration/engine/host/test_starting_and_ending.py",
    "tests/integration/engine/host/test_losing.py",
)
PLACES = {file: place for place, file in enumerate(LONGEST_FIRST)}


def place_of(nodeid: str) -> int:
    """Return the key that sorts a test; the tests of all other files keep their order."""
    return PLACES.get(nodeid.partition("::")[0], len(PLACES))
