"""Files as the worker finds them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from engine.lora.finder import FoundFile, LoraFinder
from engine.request import LoraSource


def found(path: Path) -> FoundFile:
    """A file whose folder is one of LoRAs."""
    return FoundFile(path.parent, Path(path.name))


def source(path: Path) -> LoraSource:
    """A file with the content that it has now, as a request names it."""
    return LoraSource(hashlib.sha256(path.read_bytes()).hexdigest(), path)


def finder_of(folder: Path, paths: Iterable[Path] = ()) -> LoraFinder:
    """A finder that knows these files of a folder."""
    finder = LoraFinder([folder])
    finder.learn(map(source, paths))
    return finder
