"""Finds the file of a LoRA by its content's hash, on a shelf that the host may change at any time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import LoraMissing
from engine.request import LoraChoice
from engine.shelf import LoraFile


class LoraFinder:
    """Remembers the shelf, read at once and again when a hash is new.

    At once, because the first reading hashes every file: of a large shelf that takes longer than one step of
    a job may take before its worker counts as hung.

    Args:
        read: Reads the shelf's folders: name → file.
    """

    def __init__(self, read: Callable[[], Mapping[str, LoraFile]]) -> None:
        self._read = read
        self.refresh()

    def path_of(self, choice: LoraChoice) -> Path:
        """The path of the content, even if the file was renamed since.

        Raises:
            LoraMissing: No file on the shelf has this hash. Facts: ``name``.
        """
        if choice.sha256 not in self._paths:
            self.refresh()
        try:
            return self._paths[choice.sha256]
        except KeyError:
            raise LoraMissing(name=choice.name) from None

    def refresh(self) -> None:
        """Read the shelf; files that have not changed since are not hashed again."""
        self._paths: dict[str, Path] = {file.sha256: file.path for file in self._read().values()}
