"""Which LoRA a picture gets when nobody named one, per chat and for the whole bot."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import DefaultLora


class Defaults:
    """Queries on chat_default and bot_default."""

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
