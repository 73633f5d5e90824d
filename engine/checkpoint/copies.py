"""Finds which bfloat16 copy belongs to which checkpoint, and which parts of a checkpoint need conversion.

A copy is below ``data_dir/models`` and names its source in ``converted.json``. It is valid only while every
file of the source keeps its size and its time of change. ``convert`` makes it.
"""

import hashlib
import json
import re
from enum import StrEnum
from pathlib import Path

from pydantic_core import from_json

from engine.checkpoint.contents import STEMS, header_of, published_transformer, weight_files

SIDECAR = "converted.json"
WIDER = frozenset({"F32", "F16"})  # formats that each start has to round to bfloat16
_PLAIN = (".json", ".txt", ".jinja")  # files of a checkpoint other than weights


class CopyState(StrEnum):
    """ABSENT no copy exists · STALE it was made from other files · CURRENT it belongs to the source."""

    ABSENT = "absent"
    STALE = "stale"
    CURRENT = "current"


def copy_folder(data_dir: Path, source: Path, name: str) -> Path:
    """Return the folder of a source's copy; it need not exist."""
    digest = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:8]
    return data_dir / "models" / f"{re.sub(r'[^A-Za-z0-9._-]+', '--', name)}-{digest}-bf16"


def copy_state(folder: Path, source: Path) -> CopyState:
    """Return whether a copy exists and belongs to the source as it is now.

    Raises:
        OSError: The source cannot be examined.
    """
    try:
        made_from = from_json((folder / SIDECAR).read_bytes())["identity"]
    except (OSError, ValueError, TypeError, KeyError):
        return CopyState.ABSENT
    return CopyState.CURRENT if made_from == identity_of(source) else CopyState.STALE


def identity_of(source: Path) -> str:
    """Return a hash that changes when any file of a checkpoint changes."""
    stats = [(path, path.stat()) for path in files_of(source)]
    rows = [[str(path.relative_to(source)), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def files_of(source: Path) -> list[Path]:
    """Return every file that a checkpoint needs, weights included, and no other."""
    folders = [source, *(source / part for part in (*STEMS, "tokenizer", "scheduler"))]
    plain = [
        path
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in _PLAIN and path.is_file() and path.name != SIDECAR
    ]
    return sorted([*plain, *(path for part in STEMS for path in weight_files(source, part))])


def parts_to_convert(source: Path) -> dict[str, int]:
    """Return the parts that are stored otherwise than in bfloat16 → the bytes of their weights.

    A transformer in a published file always needs conversion, even from bfloat16: its names differ.

    Raises:
        BadHeader, OSError: A weights file is damaged or missing.
    """
    parts = {}
    published = published_transformer(source)
    if published:
        parts["transformer"] = sum(tensor.nbytes for tensor in published.tensors.values())
    for part in (part for part in STEMS if part not in parts):
        tensors = [tensor for path in weight_files(source, part) for tensor in header_of(path).values()]
        if any(tensor.dtype in WIDER for tensor in tensors):
            parts[part] = sum(tensor.nbytes for tensor in tensors)
    return parts
