"""Who is a host, who may use the bot and who may not; the record of what hosts did. Queries of hosting.sql.

Call every method that changes something in the transaction of its event.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial

from bot.store.database import Database


class PermissionKind(StrEnum):
    """What a host decided about a person or a chat. Values equal the CHECK list of permission.kind."""

    HOST = "host"
    ALLOW = "allow"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """A decision about one person, chat or server.

    Attributes:
        name: ``platform:id``.
        until_ms: When a ban ends by itself; None: a host ends it.
        reason: What a banned person reads; may be empty.
        decided_by: ``platform:user_id``.
    """

    kind: PermissionKind
    name: str
    at_ms: int
    decided_by: str
    until_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HostActionRow:
    """What a host did: who, when, to whom or to what.

    Attributes:
        action: The name of a command, or of what the bot calls it.
        subject: ``platform:id``, the id of a job, or empty.
        detail: Facts as JSON values.
    """

    at_ms: int
    platform: str
    user_id: str
    action: str
    subject: str
    detail: Mapping[str, str | int | None]


class PermissionStore:
    """Queries on permission and host_action."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "hosting.sql")

    async def all(self) -> tuple[PermissionRow, ...]:
        """Return every decision, the oldest first."""
        rows = [dict(row) for row in await self._query("permissions")]
        return tuple(PermissionRow(**row | {"kind": PermissionKind(row["kind"])}) for row in rows)

    async def save(self, row: PermissionRow) -> None:
        """Store a decision; it replaces an earlier one of this kind about the same name."""
        await self._query("save_permission", **asdict(row))

    async def delete(self, kind: PermissionKind, name: str) -> bool:
        """Take a decision back; False if there was none."""
        return bool(await self._query("delete_permission", kind=kind, name=name))

    async def record(self, row: HostActionRow) -> None:
        """Record what a host did; rows are never changed or deleted."""
        detail = json.dumps(dict(row.detail), ensure_ascii=False)
        await self._query("add_host_action", **asdict(row) | {"detail": detail})

    async def has_claimed_since(self, since_ms: int) -> bool:
        """Whether somebody has become a host with a code since then."""
        return bool(await self._query("claimed_since", since_ms=since_ms))

    async def newest_actions(self, limit: int) -> tuple[HostActionRow, ...]:
        """Return what hosts did last, the newest first."""
        rows = [dict(row) for row in await self._query("newest_host_actions", limit=limit)]
        return tuple(HostActionRow(**row | {"detail": json.loads(row["detail"])}) for row in rows)
