"""The default LoRAs of chats and of the bot, and the earlier ids of chats."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import DefaultLora


class DefaultLoras:
    """Queries on chat_default, bot_default and chat_alias."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "defaults.sql")

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
