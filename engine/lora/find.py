"""Finds the file of a LoRA by its content's hash, on a shelf that the host may change at any time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import LoraMissing
from engine.request import LoraChoice
from engine.shelf import LoraFile


class Finder:
    """Remembers the shelf and reads it again when a hash is new.

    Args:
        read: Reads the shelf's folders: name → file.
    """

    def __init__(self, read: Callable[[], Mapping[str, LoraFile]]) -> None:
        self._read = read
        self._paths: dict[str, Path] = {}

    def path_of(self, choice: LoraChoice) -> Path:
        """Where the content lies, whatever the file is called by now.

        Raises:
            LoraMissing: No file on the shelf has this hash. Facts: ``name``.
        """
        if choice.sha256 not in self._paths:
            self._paths = {file.sha256: file.path for file in self._read().values()}
        try:
            return self._paths[choice.sha256]
        except KeyError:
            raise LoraMissing(name=choice.name) from None

    def forget(self) -> None:
        """Read the shelf again before the next answer."""
        self._paths = {}
