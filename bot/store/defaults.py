"""Which LoRA a picture gets when nobody named one, per chat and for the whole bot; and chats' earlier ids."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import DefaultLora


class DefaultLoras:
    """Queries on chat_default, bot_default and chat_alias."""

    def __init__(self, database: Database) -> None:
        self._ask = partial(database.rows, "defaults.sql")

    async def of(self, platform: str, chat_id: str) -> DefaultLora | None:
        """What a host settled for this chat, else for the bot; None when no host ever did."""
        rows = await self._ask("chat_default", platform=platform, chat_id=chat_id)
        rows = rows or await self._ask("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def of_bot(self) -> DefaultLora | None:
        """What a host settled for the bot; None when no host ever did."""
        rows = await self._ask("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def set_for_chat(self, platform: str, chat_id: str, default: DefaultLora) -> None:
        """Settle it for one chat."""
        place = {"platform": platform, "chat_id": chat_id}
        await self._ask("set_chat_default", **place, lora=default.lora, weight=default.weight)

    async def set_for_bot(self, default: DefaultLora) -> None:
        """Settle it wherever no chat has its own."""
        await self._ask("set_bot_default", lora=default.lora, weight=default.weight)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Give a chat's default to its new id, unless that has its own, and remember the earlier id."""
        chat = {"platform": platform, "earlier": earlier, "now": now}
        await self._ask("copy_chat_default", **chat)
        await self._ask("forget_chat_default", platform=platform, chat_id=earlier)
        await self._ask("add_alias", **chat)

    async def earlier_ids(self, platform: str, chat_id: str) -> tuple[str, ...]:
        """The ids that this chat had before."""
        return tuple(row[0] for row in await self._ask("earlier_ids", platform=platform, chat_id=chat_id))
