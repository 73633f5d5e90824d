"""Finds the file of a LoRA by its hash, on a shelf that the host may change at any time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import LoraMissing
from engine.request import LoraChoice
from engine.shelf import LoraFile


class LoraFinder:
    """Caches the shelf's index. Reads it on creation and again for an unknown hash.

    It reads on creation because the first read hashes every file. For a large shelf that takes longer than
    the step time-out of a job.

    Args:
        read: Reads the shelf's folders: name → file.
        kept: Reads the copies of files that may have left the shelf: sha256 → path.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, LoraFile]], kept: Callable[[], Mapping[str, Path]] = dict
    ) -> None:
        self._read = read
        self._kept = kept
        self.refresh()

    def path_of(self, choice: LoraChoice) -> Path:
        """Return the path of the file with this hash, even if it was renamed.

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
        """Read the shelf again. Unchanged files are not hashed again."""
        on_shelf = {file.sha256: file.path for file in self._read().values()}
        self._paths: dict[str, Path] = {**on_shelf, **self._kept()}  # nobody rewrites a copy
