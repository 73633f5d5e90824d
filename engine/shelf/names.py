"""The names of LoRA files: the path within the folder without the suffix, as people download it.

Capitals, spaces, dots and subfolders stay. The module refuses what nobody could type, see or distinguish from
another name, and whatever is not a regular file below the folder itself.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import (
    LoraFolderTooLarge,
    LoraNameRefused,
    LoraNotAFile,
    LoraNotRegular,
    LoraPickled,
    LoraRejected,
)
from engine.formatting import normalize, printable

SUFFIX = ".safetensors"  # in any case
SIDECAR = ".toml"
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")  # other LoRAs are published in these formats, which can run code
MAX_NAME = 100  # characters with the subfolders; a suggestion of Discord has no more
MAX_DEPTH = 4  # folders above a file
MAX_ENTRIES = 20_000  # of a folder and its subfolders; a setting that names a whole disk ends early
RESERVED = frozenset(
    {"none", "off", "无", "無", "不用", "default", "默认", "預設", "默認"}
)  # mean no LoRA, or the default one, in a command
_SYNTAX = frozenset(':<>"\\')  # in commands: weights, tags, quotes


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry of a folder.

    Attributes:
        name: Printable.
        path: In the folder.
        error: Why it is no LoRA; None if its content decides.
    """

    name: str
    path: Path
    error: LoraRejected | None = None


def name_of(path: Path, folder: Path) -> str:
    """Return the name of a file below a folder."""
    return path.relative_to(folder).as_posix()[: -len(SUFFIX)]


def is_lora_file(name: str) -> bool:
    """Whether a file name has the suffix of LoRA files."""
    return name.lower().endswith(SUFFIX)


def is_pickle(name: str) -> bool:
    """Whether a file name has a suffix of formats that can run code, in which LoRAs are published too."""
    return name.lower().endswith(_PICKLES)


def require_name(name: str) -> None:
    """Refuse a name that a command could not mean.

    Raises:
        LoraNameRefused: It is too long or too deep, has characters that are invisible or part of a
            command's syntax, or begins or ends with a space or a dot.
    """
    compared = normalize(name)
    parts = name.split("/")
    if (
        not 0 < len(name) <= MAX_NAME
        or len(parts) > MAX_DEPTH + 1
        or printable(name) != name
        or not _SYNTAX.isdisjoint(compared)
        or compared in RESERVED
        or any(not part or part != part.strip() or part != part.strip(".") for part in parts)
    ):
        raise LoraNameRefused(limit=MAX_NAME, depth=MAX_DEPTH)


def find_files(folder: Path) -> tuple[list[Candidate], list[Path]]:
    """Return every LoRA file of a folder and its subfolders by name, and every file that may be a sidecar.

    Links are not followed: a linked file or folder is an entry with an error, as is a folder that is too deep
    or cannot be read, and a file whose format can run code, which nobody opens. Hidden folders are skipped. A
    missing folder is empty.
    """
    found: list[Candidate] = []
    sidecars: list[Path] = []
    for number, (entry, error) in enumerate(_entries(folder, MAX_DEPTH)):
        path = Path(entry)
        if number == MAX_ENTRIES:
            found.append(Candidate(printable(str(folder)), folder, LoraFolderTooLarge(limit=MAX_ENTRIES)))
            break
        if error is not None:
            name = path.relative_to(folder).as_posix()
            found.append(Candidate(printable(name.removesuffix(SUFFIX)), path, error))
        elif is_lora_file(path.name):
            name = name_of(path, folder)
            found.append(Candidate(printable(name), path, _error_of(name)))
        elif is_pickle(path.name):
            found.append(Candidate(printable(path.relative_to(folder).as_posix()), path, LoraPickled()))
        elif path.suffix == SIDECAR:
            sidecars.append(path)
    return sorted(found, key=lambda each: each.name), sorted(sidecars)


def _error_of(name: str) -> LoraRejected | None:
    try:
        require_name(name)
    except LoraNameRefused as error:
        return error
    return None


def _entries(folder: Path | str, depth: int) -> Iterator[tuple[str, LoraRejected | None]]:
    """Yield the files below a folder, and the folders that are not entered with the reason."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    except OSError:
        yield str(folder), LoraNotAFile()
        return
    with entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and not is_lora_file(entry.name):
                if entry.name.startswith("."):
                    continue
                if depth:
                    yield from _entries(entry.path, depth - 1)
                else:
                    yield entry.path, LoraNameRefused(limit=MAX_NAME, depth=MAX_DEPTH)
            elif is_folder:
                yield entry.path, LoraNotRegular()
            else:
                # A linked folder; ``entry.is_dir`` raises for a link to itself.
                yield entry.path, LoraNotAFile() if os.path.isdir(entry.path) else None
