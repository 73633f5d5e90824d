"""Loads the SQL files of ``sql/`` as named statements.

A file is a series of blocks: ``-- name: take_job``, a comment line with the purpose, and one statement.
"""

import re
from functools import cache
from pathlib import Path

_HEADER = re.compile(r"^-- name: (\w+)\n(?=-- \S)", re.MULTILINE)
_FOLDER = Path(__file__).with_name("sql")


@cache
def load_statements(file_name: str) -> dict[str, str]:
    """Return name → SQL of every statement in a file of ``sql/``.

    Raises:
        ValueError: A block lacks its name or purpose, or a name occurs twice.
    """
    start, *blocks = _HEADER.split((_FOLDER / file_name).read_text(encoding="utf-8"))
    statements = dict(zip(blocks[::2], (block.strip() for block in blocks[1::2]), strict=True))
    if start.strip() or len(statements) * 2 != len(blocks) or "-- name:" in "".join(statements.values()):
        raise ValueError(f"{file_name}: every statement needs its own name and a line of purpose")
    return statements
