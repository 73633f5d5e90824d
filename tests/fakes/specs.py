"""Where the vendors' schemas are: ``SUGARBOT_SPECS``, else ``../shared/specs`` beside the project."""

import os
from pathlib import Path

import pytest

SPECS = Path(os.environ.get("SUGARBOT_SPECS") or Path(__file__).resolve().parents[3] / "shared" / "specs")


def spec_file(name: str) -> Path:
    """The schema file ``name`` (``discord/openapi.json`` …); skips the calling test where it is missing."""
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"no vendor schema at {path}; set SUGARBOT_SPECS to check requests against it")
    return path
