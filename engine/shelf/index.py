"""Reads the shelf: every LoRA name that people may type, and the file that it means.

Both processes read it: the host to offer names, the worker to find a file by its sha256.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.checkpoint.model import ModelInfo
from engine.errors import (
    LoraNameShared,
    LoraNotAFile,
    LoraPinBroken,
    LoraRejected,
    LoraSidecarAlone,
    LoraTableRefused,
)
from engine.formatting import normalize, printable
from engine.shelf.hashes import hash_file, stamp_of
from engine.shelf.names import Candidate, find_files
from engine.shelf.sidecar import Sidecar, read_sidecar, sidecar_path
from engine.shelf.validation import find_layers, held_bytes, open_regular_file, read_tensors

log = structlog.get_logger(__name__)

TABLE = "loras.toml"  # held all titles before there were sidecars


@dataclass(frozen=True, slots=True)
class LoraFile:
    """One LoRA that fits the model.

    Attributes:
        rank: The largest rank of its pairs.
        sidecar: How it is used, and by whom.
        held_bytes: Memory of its updates on a card; far more than the file has if they are not low-rank.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    rank: int
    sidecar: Sidecar = field(default_factory=Sidecar)
    held_bytes: int = 0

    @property
    def titles(self) -> Mapping[str, str]:
        """Language → what people call it; may be empty."""
        return self.sidecar.titles

    @property
    def trigger(self) -> str:
        """Words that are put before the prompt; may be empty."""
        return self.sidecar.trigger

    @property
    def weight(self) -> float:
        """The strength of a request that names none."""
        return self.sidecar.weight


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file of the shelf that nobody can choose, and why.

    Attributes:
        name: Printable.
        path: None for one that is not of a folder.
    """

    name: str
    error: LoraRejected
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The LoRAs by name, the rejected files, and files that nobody may choose until they were tried out."""

    files: Mapping[str, LoraFile]
    rejected: tuple[Rejected, ...] = ()
    checking: Mapping[str, LoraFile] = field(default_factory=dict)


def read_shelf(folders: Sequence[Path], model: ModelInfo, unsettled: frozenset[Path] = frozenset()) -> Shelf:
    """Examine every LoRA file of the folders and their subfolders.

    Of files whose names are equal as names are compared, the first counts, by folder and then by name.
    Unchanged files are not hashed again. Files in ``unsettled`` are still being written: they are left
    out, and so are files whose sidecar is.

    Raises:
        BadHeader, OSError: The model's own files changed after ``find_model`` checked them.
    """
    layers = linear_shapes(model.folder), vector_lengths(model.folder)
    files: dict[str, LoraFile] = {}
    named: dict[str, str] = {}  # as names are compared → name
    rejected: list[Rejected] = []
    for folder in folders:
        candidates, sidecars = find_files(folder)
        for candidate in candidates:
            if not unsettled.isdisjoint((candidate.path, sidecar_path(candidate.path))):
                continue
            try:
                file = _examine(candidate, named, layers)
            except LoraRejected as error:
                error.facts["name"] = candidate.name
                rejected.append(Rejected(candidate.name, error, candidate.path))
            else:
                files[file.name] = file
                named[normalize(file.name)] = file.name
        rejected += _lonely(sidecars, {sidecar_path(candidate.path) for candidate in candidates}, folder)
    for each in rejected:
        log.warning("lora rejected", lora=each.name, error=type(each.error).__name__, detail=str(each.error))
    return Shelf(files, tuple(rejected))


def _examine(
    candidate: Candidate,
    named: Mapping[str, str],
    layers: tuple[Mapping[str, tuple[int, int]], Mapping[str, int]],
) -> LoraFile:
    """Prove one file and hash it.

    Raises:
        LoraRejected: Its class says why.
    """
    if candidate.error is not None:
        raise candidate.error
    if (other := named.get(normalize(candidate.name))) is not None:
        raise LoraNameShared(other=other)
    path = candidate.path
    try:
        sidecar = read_sidecar(path)
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            tensors, metadata = read_tensors(file)
            found = find_layers(tensors, *layers, metadata)
        sha256 = hash_file(stamp_of(path, status))
    except OSError as error:
        raise LoraNotAFile(f"The file cannot be read: {error.strerror}.") from error
    rank = max(layer.rank for layer in found)
    if sidecar.sha256 not in ("", sha256):
        raise LoraPinBroken(found=sha256, pinned=sidecar.sha256)
    return LoraFile(candidate.name, path, sha256, status.st_size, rank, sidecar, held_bytes(found))


def _lonely(sidecars: Sequence[Path], expected: Collection[Path], folder: Path) -> list[Rejected]:
    """Refuse sidecars without a file: whoever renames a file would open it to everybody unawares."""
    rejected = []
    for path in sidecars:
        if path not in expected:
            kind = LoraTableRefused if path == folder / TABLE else LoraSidecarAlone
            name = printable(path.relative_to(folder).as_posix())
            rejected.append(Rejected(name, kind(name=name), path))
    return rejected
