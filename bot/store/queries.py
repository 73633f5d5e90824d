"""SQL lives in ``sql/``, a file for each class that asks it; here they become named statements.

A file is a series of blocks: ``-- name: claim_job``, then a comment line saying what for, then one statement.
"""

import re
from functools import cache
from pathlib import Path

_HEAD = re.compile(r"^-- name: (\w+)\n(?=-- \S)", re.MULTILINE)
_FOLDER = Path(__file__).with_name("sql")


@cache
def load_queries(file_name: str) -> dict[str, str]:
    """Name → SQL of every statement in this file of the room.

    Raises:
        ValueError: The file is not made of well-headed blocks, or a name stands twice.
    """
    head, *blocks = _HEAD.split((_FOLDER / file_name).read_text(encoding="utf-8"))
    queries = dict(zip(blocks[::2], (block.strip() for block in blocks[1::2]), strict=True))
    if head.strip() or len(queries) * 2 != len(blocks) or "-- name:" in "".join(queries.values()):
        raise ValueError(f"{file_name}: every statement needs its own name and a line of purpose")
    return queries
