"""Reads the shelf: every LoRA name that people may type, and the file that it means.

Both processes read it: the host to offer names, the worker to find a file by its sha256.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.checkpoint.model import ModelInfo
from engine.errors import LoraNameRefused, LoraNotAFile, LoraRejected, LoraTableRefused
from engine.formatting import printable
from engine.shelf.hashes import hash_file, stamp_of
from engine.shelf.sidecar import MAX_WEIGHT, Sidecar
from engine.shelf.validation import find_layers, held_bytes, open_regular_file, read_tensors

log = structlog.get_logger(__name__)

TABLE = "loras.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


@dataclass(frozen=True, slots=True)
class LoraFile:
    """One LoRA that fits the model.

    Attributes:
        rank: The largest rank of its pairs.
        titles: Locale → what people call it; may be empty.
        trigger: A word that is put before the prompt; may be empty.
        weight: The recommended strength.
        sidecar: How it is used, and by whom.
        held_bytes: Memory of its updates on a card; far more than the file has if they are not low-rank.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    rank: int
    titles: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""
    weight: float = 1.0
    sidecar: Sidecar = field(default_factory=Sidecar)
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file of the shelf that nobody can choose, and why."""

    name: str
    error: LoraRejected


@dataclass(frozen=True, slots=True)
class Shelf:
    """The LoRAs by name, and the rejected files."""

    files: Mapping[str, LoraFile]
    rejected: tuple[Rejected, ...] = ()


class _Entry(BaseModel):
    """One table of loras.toml."""

    model_config = ConfigDict(extra="forbid")

    title: dict[str, Annotated[str, Field(max_length=80)]] = {}
    trigger: Annotated[str, Field(max_length=200)] = ""
    weight: Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)] = 1.0


_TABLE = TypeAdapter(dict[str, _Entry])


def read_shelf(folders: Sequence[Path], model: ModelInfo) -> Shelf:
    """Examine every ``*.safetensors`` of the folders. If two share a name, the first folder's file counts.

    A folder may hold a ``loras.toml``: ``[name]`` with ``title.en``, ``title.zh-CN``, ``trigger`` and
    ``weight``. Unchanged files are not hashed again.

    Raises:
        BadHeader, OSError: The model's own files changed after ``find_model`` checked them.
    """
    linears, vectors = linear_shapes(model.folder), vector_lengths(model.folder)
    files: dict[str, LoraFile] = {}
    rejected: list[Rejected] = []
    for folder in folders:
        try:
            table = _read_table(folder / TABLE)
        except LoraTableRefused as error:
            rejected.append(Rejected(TABLE, error))
            table = {}
        for path in sorted(folder.glob("*.safetensors")):
            if path.stem in files:
                continue
            try:
                files[path.stem] = _examine(path, linears, vectors, table.get(path.stem, _Entry()))
            except LoraRejected as error:
                error.facts["name"] = printable(path.stem)
                rejected.append(Rejected(printable(path.stem), error))
    for each in rejected:
        log.warning("lora rejected", lora=each.name, error=type(each.error).__name__, detail=str(each.error))
    return Shelf(files, tuple(rejected))


def _examine(
    path: Path, linears: Mapping[str, tuple[int, int]], vectors: Mapping[str, int], entry: _Entry
) -> LoraFile:
    """Prove one file and hash it.

    Raises:
        LoraRejected: Its class says why.
    """
    if not _NAME.fullmatch(path.stem):
        raise LoraNameRefused
    try:
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            tensors, metadata = read_tensors(file)
            layers = find_layers(tensors, linears, vectors, metadata)
    except OSError as error:
        raise LoraNotAFile(f"The file cannot be read: {error.strerror}.") from error
    rank = max(layer.rank for layer in layers)
    sha256 = hash_file(stamp_of(path, status))
    return LoraFile(
        path.stem, path, sha256, status.st_size, rank, entry.title, entry.trigger, entry.weight,
        held_bytes=held_bytes(layers),
    )  # fmt: skip


def _read_table(path: Path) -> dict[str, _Entry]:
    """Read a ``loras.toml``; a missing one is empty.

    Raises:
        LoraTableRefused: It is malformed. None of it counts: its LoRAs have file names for titles.
    """
    if not path.is_file():
        return {}
    try:
        return _TABLE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        places = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise LoraTableRefused(f"{path}: {'; '.join(places)}.", path=str(path)) from error
    except (OSError, ValueError) as error:
        raise LoraTableRefused(f"{path}: {error}.", path=str(path)) from error
