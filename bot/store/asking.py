"""What people always want, which advice they got, what may be drawn in a chat; queries of asking.sql."""

import json
from dataclasses import asdict, dataclass, field
from functools import partial

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class PersonSettingsRow:
    """The settings of a person; ``options`` as they are typed."""

    person: int
    options: str = field(repr=False)
    language: str
    advice: bool


@dataclass(frozen=True, slots=True)
class PresetRow:
    """A preset of a person; ``key`` is its name as names are compared, ``options`` as they are typed."""

    person: int
    key: str
    name: str
    options: str = field(repr=False)


class AskingStore:
    """Reads and writes them; call what changes something in the transaction of its event."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "asking.sql")

    async def settings(self, person: int | None = None) -> tuple[PersonSettingsRow, ...]:
        """Return the settings of all people who have changed theirs, or of one person."""
        rows = [dict(row) for row in await self._query("person_settings", person=person)]
        return tuple(PersonSettingsRow(**row | {"advice": bool(row["advice"])}) for row in rows)

    async def save_settings(self, row: PersonSettingsRow) -> None:
        """Store the settings of a person; they replace earlier ones."""
        await self._query("save_person_settings", **asdict(row) | {"advice": int(row.advice)})

    async def presets(self, person: int | None = None) -> tuple[PresetRow, ...]:
        """Return the presets of all people, or of one person, by name."""
        return tuple(PresetRow(**dict(row)) for row in await self._query("presets", person=person))

    async def save_preset(self, row: PresetRow) -> None:
        """Store a preset; it replaces an earlier one with this key."""
        await self._query("save_preset", **asdict(row))

    async def delete_preset(self, person: int, key: str) -> None:
        """Delete a preset."""
        await self._query("delete_preset", person=person, key=key)

    async def give_advice(self, person: int, kind: str, at_ms: int) -> bool:
        """Store that a person gets this advice; False if they got it before."""
        return bool(await self._query("give_advice", person=person, kind=kind, at_ms=at_ms))

    async def merge(self, merged: int, kept: int) -> None:
        """Give what person ``merged`` has to ``kept``, except where ``kept`` has its own."""
        await self._query("move_person_settings", merged=merged, kept=kept)
        await self._query("delete_person_settings", merged=merged)
        await self._query("move_presets", merged=merged, kept=kept)
        await self._query("delete_presets", merged=merged)
        await self._query("move_advice", merged=merged, kept=kept)
        await self._query("delete_advice", merged=merged)


@dataclass(frozen=True, slots=True)
class ChatProfileRow:
    """What may be drawn in a chat; no size means any."""

    platform: str
    chat_id: str
    loras: tuple[str, ...]
    width_px: int | None
    height_px: int | None
    language: str


@dataclass(frozen=True, slots=True)
class ChatProfileChange:
    """One row: who changed the profile of a chat, and when; ``before`` and ``after`` are JSON."""

    at_ms: int
    platform: str
    user_id: str
    chat_id: str
    before: str
    after: str


class ChatProfileStore:
    """Reads and writes them; call what changes something in the transaction of its event."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "asking.sql")

    async def all(self) -> tuple[ChatProfileRow, ...]:
        """Return the profiles of all chats that have one."""
        rows = [dict(row) for row in await self._query("chat_profiles")]
        return tuple(ChatProfileRow(**row | {"loras": tuple(json.loads(row["loras"]))}) for row in rows)

    async def save(self, row: ChatProfileRow) -> None:
        """Store the profile of a chat; it replaces an earlier one."""
        loras = json.dumps(list(row.loras), ensure_ascii=False)
        await self._query("save_chat_profile", **asdict(row) | {"loras": loras})

    async def record(self, change: ChatProfileChange) -> None:
        """Record one change; rows are never changed or deleted."""
        await self._query("add_chat_profile_change", **asdict(change))

    async def newest_changes(self, limit: int) -> tuple[ChatProfileChange, ...]:
        """Return the newest changes, newest first."""
        rows = await self._query("chat_profile_changes", limit=limit)
        return tuple(ChatProfileChange(**dict(row)) for row in rows)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move the profile of a chat to its new id, unless that has one."""
        await self._query("move_chat_profile", platform=platform, earlier=earlier, now=now)
