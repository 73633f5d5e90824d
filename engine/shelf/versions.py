"""Private copies of LoRA files that waiting jobs need, by sha256: their files may be replaced or removed.

They are copies, not links: ``cp`` over a file changes it in place, and a link would change with it.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from engine.durable import make_folder, replacing
from engine.errors import LoraMissing
from engine.shelf.validation import open_regular_file

VERSION_NAMES = re.compile(r"([0-9a-f]{64})\.safetensors")
_PIECE_BYTES = 2**20


def version_path(folder: Path, sha256: str) -> Path:
    """Return where the copy of this content is, or would be."""
    return folder / f"{sha256}.safetensors"


def kept_versions(folder: Path) -> dict[str, Path]:
    """Return the copies: sha256 → file. Whoever reads one compares the hash."""
    return {found[1]: path for path in _files(folder) if (found := VERSION_NAMES.fullmatch(path.name))}


def keep_version(folder: Path, sha256: str, source: Path) -> None:
    """Copy a file of the shelf, durably and for this user alone.

    Raises:
        LoraMissing: The file has other content by now.
        LoraNotAFile: It is gone, or no file any more.
        OSError: The disk refused; nothing is left.
    """
    make_folder(folder)
    digest = hashlib.sha256()
    with open_regular_file(source) as file, replacing(version_path(folder, sha256)) as draft:
        with draft.open("wb") as copy:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                copy.write(piece)
        if digest.hexdigest() != sha256:
            raise LoraMissing("The file was changed while it was copied.", name=source.stem)


def drop_versions(folder: Path, needed: frozenset[str], useful: frozenset[str], limit_bytes: int) -> None:
    """Delete copies that no job needs: those of no file on the shelf, then the oldest beyond the limit.

    Args:
        folder: The copies.
        needed: Hashes that waiting jobs need; their copies stay.
        useful: Hashes of the files on the shelf: the next job with one saves the copying.
        limit_bytes: What all copies may take, unless jobs need more.
    """
    kept = kept_versions(folder)
    sizes = {sha256: path.stat() for sha256, path in kept.items()}
    total_bytes = sum(status.st_size for status in sizes.values())
    for sha256 in sorted(kept.keys() - needed, key=lambda each: sizes[each].st_mtime_ns):
        if sha256 not in useful or total_bytes > limit_bytes:
            kept[sha256].unlink(missing_ok=True)
            total_bytes -= sizes[sha256].st_size


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
