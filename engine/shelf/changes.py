"""Notices changes of the shelf's folders without reading a file, also on network and container mounts.

Systems report changes of such mounts late or never, so the folders are looked at. A file counts once it is
the same in two looks: one that is still being copied waits.
"""

from collections.abc import Sequence
from pathlib import Path

from engine.shelf.names import find_files

_Stamp = tuple[int, int, int, int]
"""Size in bytes, times of the last change of content and of anything (also the rights) in ns, inode."""


class FolderChanges:
    """Compares looks. Blocking: call it in a thread.

    Args:
        folders: With their subfolders; links are not followed, and a missing folder is empty.

    Attributes:
        unsettled: Files that differ from the look before.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._last: dict[Path, _Stamp] = {}
        self._reported: dict[Path, _Stamp] | None = None
        self.unsettled: frozenset[Path] = frozenset()

    def look(self) -> bool:
        """Look once; whether the settled files differ from those of the last time that this was true."""
        now = _stamps(self._folders)
        if self._reported is None:  # what the shelf offers must not vanish until the next look
            self._last = now
        self.unsettled = frozenset(path for path, stamp in now.items() if self._last.get(path) != stamp)
        settled = {path: stamp for path, stamp in now.items() if path not in self.unsettled}
        self._last = now
        if settled == self._reported:
            return False
        self._reported = settled
        return True


def _stamps(folders: Sequence[Path]) -> dict[Path, _Stamp]:
    """Return the stamp of every LoRA file and sidecar."""
    found: dict[Path, _Stamp] = {}
    for folder in folders:
        candidates, sidecars = find_files(folder)
        for path in (*(candidate.path for candidate in candidates), *sidecars):
            try:
                status = path.lstat()
            except OSError:
                continue  # it has just gone
            found[path] = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return found
