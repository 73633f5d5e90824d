"""The model's real vocabulary: ``SUGARBOT_TOKENIZER``, else ``../shared/tokenizer`` beside the project."""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("SUGARBOT_TOKENIZER") or Path(__file__).resolve().parents[3] / "shared" / "tokenizer"
)


def real_tokenizer_folder() -> Path:
    """The folder of the real ``tokenizer.json``; skips the calling test where it is missing."""
    if not (FOLDER / "tokenizer.json").is_file():
        pytest.skip(f"no tokenizer.json in {FOLDER}; set SUGARBOT_TOKENIZER to measure real prompts")
    return FOLDER
