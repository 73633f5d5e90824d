"""What belongs to a chat: its raw events, its default LoRA and its earlier ids."""

from collections.abc import Sequence
from functools import partial

from bot.store.database import Database
from bot.store.rows import DefaultLora, InboxRow


class Inbox:
    """Queries on inbox, and the expiry of everything that recognises a repeated event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "chats.sql")

    async def add(self, platform: str, events: Sequence[tuple[str, str]], now_ms: int) -> None:
        """Store raw events (id, payload), all or none; known ids are skipped."""
        async with self._database.atomic():
            for event_id, payload in events:
                await self._query(
                    "add_event", platform=platform, event_id=event_id, payload=payload, now_ms=now_ms
                )

    async def unsettled(self, platform: str) -> tuple[tuple[str, str], ...]:
        """Return the events (id, payload) that are not settled, oldest first."""
        rows = await self._query("unsettled_events", platform=platform)
        return tuple((row["event_id"], row["payload"]) for row in rows)

    async def find(self, platform: str, event_id: str) -> InboxRow | None:
        """Return a stored event that is not settled."""
        rows = await self._query("find_event", platform=platform, event_id=event_id)
        return InboxRow(**dict(rows[0])) if rows else None

    async def save_answer(self, platform: str, event_id: str, answer: str) -> None:
        """Store the answer to an event; call it in the transaction of the event's effect."""
        await self._query("save_answer", platform=platform, event_id=event_id, answer=answer)

    async def settle(self, platform: str, event_id: str) -> None:
        """Mark an event as answered, and delete its payload and answer."""
        await self._query("settle_event", platform=platform, event_id=event_id)

    async def delete_expired(self, before_ms: int) -> None:
        """Delete what only recognises repeated events, from before this moment.

        That is the ids of settled events, the origins of ended jobs, and the outbox rows of delivered jobs.
        An origin stays as long as its event is in the inbox: after a crash, the event must find its job.
        """
        async with self._database.atomic():
            await self._query("delete_settled_events", before_ms=before_ms)
            await self._query("delete_origins", before_ms=before_ms)
            await self._query("delete_delivered_results", before_ms=before_ms)


class DefaultLoras:
    """Queries on chat_default, bot_default and chat_alias."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "chats.sql")

    async def of(self, platform: str, chat_id: str) -> DefaultLora | None:
        """Return the chat's default, else the bot's; None if no host set one."""
        rows = await self._query("chat_default", platform=platform, chat_id=chat_id)
        rows = rows or await self._query("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def of_bot(self) -> DefaultLora | None:
        """Return the bot's default; None if no host set one."""
        rows = await self._query("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def set_for_chat(self, platform: str, chat_id: str, default: DefaultLora) -> None:
        """Set the default of one chat."""
        await self._query(
            "set_chat_default", platform=platform, chat_id=chat_id, lora=default.lora, weight=default.weight
        )

    async def set_for_bot(self, default: DefaultLora) -> None:
        """Set the default of all chats without their own."""
        await self._query("set_bot_default", lora=default.lora, weight=default.weight)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move a chat's default to its new id unless that has its own, and store the earlier id."""
        chat = {"platform": platform, "earlier": earlier, "now": now}
        await self._query("copy_chat_default", **chat)
        await self._query("delete_chat_default", platform=platform, chat_id=earlier)
        await self._query("add_alias", **chat)

    async def earlier_ids(self, platform: str, chat_id: str) -> tuple[str, ...]:
        """Return the ids that this chat had before."""
        return tuple(
            row["chat_id"] for row in await self._query("earlier_ids", platform=platform, chat_id=chat_id)
        )
