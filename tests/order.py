"""The order of the test files: the longest start first, so that no worker ends alone with a long one."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FIRST = (
    "tests/crash/test_kills.py",
    "tests/crash/test_chats.py",
    "tests/crash/test_rows.py",
    "tests/examples/test_readme.py",
    "tests/soak/test_soak.py",
)
PLACES = {file: place for place, file in enumerate(LONGEST_FIRST)}


def place_of(nodeid: str) -> int:
    """Return the key that sorts a test; the tests of all other files keep their order."""
    return PLACES.get(nodeid.partition("::")[0], len(PLACES))
