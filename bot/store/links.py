"""One person on several platforms: link codes, and how people are merged and split.

Call every method that changes something in a transaction.
"""

import json
from collections.abc import Iterable
from functools import partial

from bot.store.database import Database
from bot.store.rows import LinkCodeRow


class Links:
    """Queries on identity and link_code."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "links.sql")

    async def identities_of(self, person: int) -> tuple[tuple[str, str], ...]:
        """Return the person's identities: (platform, user id)."""
        return tuple((row[0], row[1]) for row in await self._query("identities_of", person=person))

    async def people_of(self, names: Iterable[str]) -> tuple[tuple[int, str], ...]:
        """Return (person, identity) for those of these identities (``platform:user_id``) that are known."""
        rows = await self._query("people_of", names=json.dumps(list(names)))
        return tuple((row[0], row[1]) for row in rows)

    async def add_code(self, code: str, person: int, platform: str, now_ms: int, expires_ms: int) -> None:
        """Store a person's new code; it replaces an earlier one."""
        await self._query("delete_codes", person=person, now_ms=now_ms)
        await self._query("add_code", code=code, person=person, platform=platform, expires_ms=expires_ms)

    async def find_code(self, code: str, now_ms: int) -> LinkCodeRow | None:
        """Return the code unless it has expired."""
        rows = await self._query("find_code", code=code, now_ms=now_ms)
        return LinkCodeRow(**dict(rows[0]) | {"used": bool(rows[0]["used"])}) if rows else None

    async def claim_code(self, code: str, identity: str, event_id: str) -> None:
        """Reserve the code for this identity unless another has it."""
        await self._query("claim_code", code=code, typed_by=identity, typed_event=event_id)

    async def merge(self, gone: int, stays: int, code: str) -> None:
        """Move identities, jobs, ledger and credits of person ``gone`` to ``stays``; the code is used."""
        both = {"stays": stays, "gone": gone}
        await self._query("merge_accounts", **both)
        await self._query("move_identities", **both)
        await self._query("move_jobs", **both)
        await self._query("move_ledger", **both)
        await self._query("move_codes", **both)
        await self._query("delete_account", gone=gone)
        await self._query("delete_person", gone=gone)
        await self._query("use_code", code=code)

    async def split(self, platform: str, user_id: str, person: int, now_ms: int) -> int:
        """Make this identity a new person with an empty account; everything else stays with ``person``.

        Returns:
            The new person.
        """
        [(new,)] = await self._query("add_person", now_ms=now_ms)
        await self._query("add_account", person=new, was=person)
        await self._query("move_identity", person=new, platform=platform, user_id=user_id)
        return int(new)
