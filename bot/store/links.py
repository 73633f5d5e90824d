"""One person over several platforms: the codes that join two, and the joining and parting itself.

Every method that changes something belongs inside ``atomic``.
"""

import json
from collections.abc import Iterable
from functools import partial

from bot.store.database import Database
from bot.store.rows import LinkCodeRow


class Links:
    """Queries on identity and link_code."""

    def __init__(self, database: Database) -> None:
        self._ask = partial(database.rows, "links.sql")

    async def identities_of(self, person: int) -> tuple[tuple[str, str], ...]:
        """How the platforms know this person: (platform, user id)."""
        return tuple((row[0], row[1]) for row in await self._ask("identities_of", person=person))

    async def people_named(self, names: Iterable[str]) -> tuple[tuple[int, str], ...]:
        """Those of these identities (``platform:user_id``) that were met: (person, identity)."""
        rows = await self._ask("people_named", names=json.dumps(list(names)))
        return tuple((row[0], row[1]) for row in rows)

    async def issue(self, code: str, person: int, platform: str, now_ms: int, expires_ms: int) -> None:
        """Store a person's new code; an earlier one works no more."""
        await self._ask("forget_codes", person=person, now_ms=now_ms)
        await self._ask("add_code", code=code, person=person, platform=platform, expires_ms=expires_ms)

    async def find(self, code: str, now_ms: int) -> LinkCodeRow | None:
        """The code, unless it has expired."""
        rows = await self._ask("code", code=code, now_ms=now_ms)
        return LinkCodeRow(**dict(rows[0]) | {"used": bool(rows[0]["used"])}) if rows else None

    async def type_code(self, code: str, identity: str, event_id: str) -> None:
        """Let the code be this identity's, if it is nobody's yet."""
        await self._ask("type_code", code=code, typed_by=identity, typed_event=event_id)

    async def join(self, gone: int, stays: int, code: str) -> None:
        """Make everything of one person the other's: identities, jobs, ledger, credits; the code is used."""
        both = {"stays": stays, "gone": gone}
        await self._ask("join_accounts", **both)
        await self._ask("hand_over_identities", **both)
        await self._ask("hand_over_jobs", **both)
        await self._ask("hand_over_ledger", **both)
        await self._ask("hand_over_codes", **both)
        await self._ask("forget_account", gone=gone)
        await self._ask("forget_person", gone=gone)
        await self._ask("use_code", code=code)

    async def part(self, platform: str, user_id: str, person: int, now_ms: int) -> int:
        """Give this identity of a person an empty account of its own; everything else stays where it is.

        Returns:
            The new person.
        """
        [(alone,)] = await self._ask("add_another", now_ms=now_ms)
        await self._ask("open_account", person=alone, was=person)
        await self._ask("part_identity", person=alone, platform=platform, user_id=user_id)
        return int(alone)
