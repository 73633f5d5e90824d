"""Everything that must survive: one SQLite file, one writer, one lock.

``open_store`` opens, checks and migrates it; ``Store.atomic`` is the only transaction; queries stand named in
``sql/``, a file for each class that asks them; rows come out as the frozen values of ``rows``.

The room knows no chats, no rules and no files but the database: what a state means is the desk's business.
After a crash every committed transaction is there, whole, and nothing of any other (WAL, synchronous=FULL).
Tests of this room alone: ``pytest tests/unit/bot/store``.
"""

from bot.store.files import backup
from bot.store.store import Store, open_store
from bot.store.survey import Survey

__all__ = ["Store", "Survey", "backup", "open_store"]
