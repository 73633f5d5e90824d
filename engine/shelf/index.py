"""Reads the shelf: every LoRA name that people may type, and the file that it means."""

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.checkpoint.model import ModelInfo
from engine.errors import (
    LoraNameBuiltIn,
    LoraNameShared,
    LoraNotAFile,
    LoraPinBroken,
    LoraRejected,
    LoraSidecarAlone,
    LoraTableRefused,
)
from engine.formatting import normalize, printable
from engine.request import FileStamp, LoraChoice, LoraSource
from engine.shelf.hashes import SETTLED_NS, hash_file, stamp_of
from engine.shelf.names import Candidate, find_files, is_lora_file, is_pickle
from engine.shelf.sidecar import Sidecar, read_sidecar, sidecar_path
from engine.shelf.validation import find_layers, held_bytes, open_regular_file, read_tensors

TABLE = "loras.toml"  # held all titles before there were sidecars


@dataclass(frozen=True, slots=True)
class LoraFile:
    """One LoRA that fits the model.

    Attributes:
        rank: The largest rank of its pairs.
        sidecar: How it is used, and by whom.
        held_bytes: Memory of its updates on a card; far more than the file has if they are not low-rank.
        stamp: Of the file as it was examined; None if file or sidecar was so new that a second write might
            have the same one.
        sidecar_stamp: Of the sidecar; None without one.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    rank: int
    sidecar: Sidecar = field(default_factory=Sidecar)
    held_bytes: int = 0
    stamp: FileStamp | None = None
    sidecar_stamp: FileStamp | None = None

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

    def file_named(self, name: str, folder: Path) -> LoraFile | Rejected | None:
        """Return the LoRA file of a folder with exactly this name, which may be a refused one.

        Whoever deletes or pins a file means this one, and not one of a similar name.
        """
        file = self.files.get(name) or self.checking.get(name)
        if file is not None and file.path.is_relative_to(folder):
            return file
        for each in self.rejected:
            path = each.path
            if each.name == name and path and (is_lora_file(path.name) or is_pickle(path.name)):
                return each if path.is_relative_to(folder) else None
        return None


NO_FILES = Shelf({})


def sources_of(files: Iterable[LoraFile], loras: Iterable[LoraChoice]) -> tuple[LoraSource, ...]:
    """Return where these LoRAs are, as far as they are among the files."""
    wanted = {lora.sha256 for lora in loras}
    return tuple(LoraSource(each.sha256, each.path, each.stamp) for each in files if each.sha256 in wanted)


def read_shelf(
    folders: Sequence[Path],
    model: ModelInfo,
    unsettled: frozenset[Path] = frozenset(),
    before: Shelf = NO_FILES,
) -> Shelf:
    """Examine every LoRA file of the folders and their subfolders.

    Of files whose names are equal as names are compared, the first counts, by folder and then by name.

    Args:
        folders: The host's own is the last one; those before it come with the built-in model. A missing one
            is empty.
        model: What the files must fit.
        unsettled: Files that are still being written: they are left out, and so are files whose sidecar is.
        before: What was read of these folders for this model before: unchanged files are taken from it.

    Raises:
        BadHeader, OSError: The model's own files changed after ``find_model`` checked them.
    """
    layers = linear_shapes(model.folder), vector_lengths(model.folder)
    files: dict[str, LoraFile] = {}
    named: dict[str, LoraFile] = {}  # as names are compared
    rejected: list[Rejected] = []
    for folder in folders:
        candidates, sidecars = find_files(folder)
        for candidate in candidates:
            if not unsettled.isdisjoint((candidate.path, sidecar_path(candidate.path))):
                continue
            try:
                _require_new_name(candidate, named, folder)
                file = _examine(candidate, layers, before)
            except LoraRejected as error:
                error.facts["name"] = candidate.name
                rejected.append(Rejected(candidate.name, error, candidate.path))
            else:
                files[file.name] = file
                named[normalize(file.name)] = file
        rejected += _lonely(sidecars, {sidecar_path(candidate.path) for candidate in candidates}, folder)
    return Shelf(files, tuple(rejected))


def _require_new_name(candidate: Candidate, named: Mapping[str, LoraFile], folder: Path) -> None:
    """Refuse a name that a file of this folder has, or one of the built-in model's folder before it."""
    other = named.get(normalize(candidate.name))
    if candidate.error is None and other is not None:
        raise (LoraNameShared if other.path.is_relative_to(folder) else LoraNameBuiltIn)(other=other.name)


def _examine(
    candidate: Candidate,
    layers: tuple[Mapping[str, tuple[int, int]], Mapping[str, int]],
    before: Shelf,
) -> LoraFile:
    """Prove one file and hash it.

    Raises:
        LoraRejected: Its class says why.
    """
    if candidate.error is not None:
        raise candidate.error
    path, sidecar_stamp = candidate.path, _stamp_of(sidecar_path(candidate.path))
    known = before.files.get(candidate.name)
    if known is not None and known.path == path and known.stamp is not None:
        is_same = (known.stamp, known.sidecar_stamp) == (_stamp_of(path), sidecar_stamp)
        if is_same:
            return known
    began_ns = time.time_ns()
    try:
        sidecar = read_sidecar(path)
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            tensors, metadata = read_tensors(file)
            found = find_layers(tensors, *layers, metadata)
        stamp = stamp_of(status)
        sha256 = hash_file(path, stamp)
    except OSError as error:
        raise LoraNotAFile(f"The file cannot be read: {error.strerror}.") from error
    rank = max(layer.rank for layer in found)
    if sidecar.sha256 not in ("", sha256):
        raise LoraPinBroken(found=sha256, pinned=sidecar.sha256)
    changed_ns = max(each.ctime_ns for each in (stamp, sidecar_stamp) if each)
    return LoraFile(
        candidate.name,
        path,
        sha256,
        status.st_size,
        rank,
        sidecar,
        held_bytes(found),
        stamp=stamp if began_ns - changed_ns > SETTLED_NS else None,
        sidecar_stamp=sidecar_stamp,
    )


def _stamp_of(path: Path) -> FileStamp | None:
    try:
        return stamp_of(path.lstat())
    except OSError:
        return None


def _lonely(sidecars: Sequence[Path], expected: Collection[Path], folder: Path) -> list[Rejected]:
    """Refuse sidecars without a file: whoever renames a file would open it to everybody unawares."""
    rejected = []
    for path in sidecars:
        if path not in expected:
            kind = LoraTableRefused if path == folder / TABLE else LoraSidecarAlone
            name = printable(path.relative_to(folder).as_posix())
            rejected.append(Rejected(name, kind(name=name), path))
    return rejected
