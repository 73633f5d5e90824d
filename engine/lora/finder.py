"""Knows where the host says that LoRAs are, and in which folders they may be."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LoraMissing
from engine.request import FileStamp, LoraChoice, LoraSource

MOST_KNOWN = 4096  # contents; the worker forgets those that were named longest ago


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may have the content of a LoRA.

    Attributes:
        root: The folder of LoRAs that it is in.
        within: Its path below that folder.
        stamp: Of the file when it had this content; None if that is not known.
    """

    root: Path
    within: Path
    stamp: FileStamp | None = None


class LoraFinder:
    """Remembers for each content the files that the host named last.

    Args:
        folders: Those of LoRAs; no file outside of them is opened.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(folders)
        self._files: OrderedDict[str, tuple[FoundFile, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, sources: Iterable[LoraSource]) -> None:
        """Remember where contents are; what was known of these contents is forgotten. Thread-safe."""
        named: dict[str, tuple[FoundFile, ...]] = {}
        for source in sources:
            if (found := self._within(source)) is not None:
                named[source.sha256] = (*named.get(source.sha256, ()), found)
        with self._lock:
            for sha256, files in named.items():
                self._files[sha256] = files
                self._files.move_to_end(sha256)
            while len(self._files) > MOST_KNOWN:
                self._files.popitem(last=False)

    def files_of(self, choice: LoraChoice) -> Sequence[FoundFile]:
        """Return the files that may have this content, in the order in which to try them.

        Raises:
            LoraMissing: The host has named none in a folder of LoRAs. Facts: ``name``.
        """
        with self._lock:
            files = self._files.get(choice.sha256)
        if files:
            return files
        raise LoraMissing(name=choice.name)

    def _within(self, source: LoraSource) -> FoundFile | None:
        for folder in self._folders:
            if source.path.is_relative_to(folder) and ".." not in source.path.parts:
                return FoundFile(folder, source.path.relative_to(folder), source.stamp)
        return None
