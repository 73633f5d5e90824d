"""The database: one SQLite file, one writing process.

``open_store`` opens, checks and migrates the file. ``Store.atomic`` is the only way to a transaction. Nothing
here knows chats or rules. After a crash, every committed transaction is complete and no other has any effect
(WAL, synchronous=FULL).

* ``store``       opens the database; the queries of all tables as attributes
* ``database``    transactions, named statements, errors of SQLite
* ``statements``  loads ``sql/``, one file for each subject
* ``rows``        rows as frozen dataclasses
* ``jobs``        queries on the way of a request: inbox, jobs, pictures and their files, outbox
* ``continuing``  queries on what happens to a job after its end, and on the messages that show it
* ``finding``     the search, favourites and recipe codes
* ``asking``      settings, presets and advice of people; profiles of chats
* ``hosting``     what hosts decide and do
* ``consent``     who may use which LoRA, who has used it; reports to owners
* ``loras``       what hosts have changed on the shelf; verdicts of trial pictures
* ``people``      queries on people, credits, links, and the default LoRAs of chats
* ``survey``      figures and violated invariants, for the host
* ``files``       the database as a file: lock, migrations, backups, restores

Tests of this package: ``pytest tests/unit/bot/store``.
"""

from bot.store.files import backup
from bot.store.store import Store, open_store
from bot.store.survey import Survey

__all__ = ["Store", "Survey", "backup", "open_store"]
