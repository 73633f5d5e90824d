"""Deletes picture files that no picture names, and keeps those that a picture is about to name.

The database lists loose files: those that perhaps no picture names. Whoever writes a file, or lets a picture
name it, holds it until the picture's row is stored. So a file that another picture names is never deleted,
and a file that a crash left without a picture is deleted by the next start.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import structlog

from bot.store import Store
from bot.store.database import run_to_completion

BATCH = 50

log = structlog.get_logger("bot.desk")


class LooseFiles:
    """The only place where picture files are deleted.

    Args:
        folder: The folder of the pictures.

    Attributes:
        changed: Set when there may be files to delete.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._held: Counter[str] = Counter()
        self._passed_over: set[str] = set()  # because they were held
        self._lock = asyncio.Lock()  # nobody holds a file anew between its check and its deletion
        self.changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def holding(self, names: Collection[str]) -> AsyncIterator[None]:
        """Keep these files while the block writes them and lets pictures name them.

        Enter it outside a transaction. Files that no picture names afterwards are loose.

        Raises:
            CannotSave: The database cannot be written now; nothing is held.
        """
        async with self._lock:
            self._held.update(names)
        try:
            await self._store.pictures.loosen(names)
            yield
        except BaseException:
            self._passed_over.update(names)  # perhaps it wrote some of them
            raise
        finally:
            self._held.subtract(names)
            self._held += Counter()  # without zeros
            if not self._passed_over.isdisjoint(names):
                self._passed_over.difference_update(names)
                self.changed.set()

    async def delete(self) -> int:
        """Delete the loose files that no picture names and nobody holds; return the freed bytes.

        Raises:
            OSError: The system refuses some of them; the others are gone.
            CannotSave: The database cannot be written now.
        """
        names = await self._store.pictures.loose()
        freed_bytes = 0
        refused: list[OSError] = []
        for start in range(0, len(names), BATCH):
            async with self._lock:
                batch = names[start : start + BATCH]
                self._passed_over.update([name for name in batch if name in self._held])
                free = [name for name in batch if name not in self._held]
                named = await self._store.pictures.named(free)
                unnamed = [name for name in free if name not in named]
                gone, freed, errors = await run_to_completion(
                    asyncio.to_thread(_unlink, self._folder, unnamed)
                )
                await self._store.pictures.settle([*named, *gone])
            freed_bytes += freed
            refused += errors
            if gone:
                log.info("picture files deleted", count=len(gone))
        if refused:
            raise refused[0]
        return freed_bytes


def _unlink(folder: Path, names: Sequence[str]) -> tuple[list[str], int, list[OSError]]:
    """Delete files; return those that are gone, the bytes that they had, and what the system refused."""
    gone, freed, errors = [], 0, []
    for name in names:
        path = folder / name
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            size = 0
        except OSError as error:
            errors.append(error)
            continue
        freed += size
        gone.append(name)
    return gone, freed, errors
