"""Presses of buttons: answered once the desk has answered, or after a moment, as the button spins until then.

A refusal goes to the presser alone: as an alert, and where the press is too old for one (it was made while we
were away) to the person's private chat. It is never a message in a group.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram import Bot
from telegram.constants import CallbackQueryLimit
from telegram.error import BadRequest, TelegramError

from bot.chats.telegram_.incoming import Pressed
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.sender import Sender, cut

SPIN_S = 2.0  # how long a button may spin while the desk is busy
PRESS_S = 10.0
ALERT_UNITS = int(CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH)


class Press:
    """One press, which Telegram lets us answer once."""

    def __init__(self, bot: Bot, sender: Sender, event: Pressed) -> None:
        self._bot = bot
        self._sender = sender
        self._event = event
        self._is_open = True

    @asynccontextmanager
    async def spinning(self) -> AsyncIterator[None]:
        """While the block runs, stop the button after ``SPIN_S`` seconds."""
        stop = asyncio.create_task(self._stop_later(), name=f"telegram press {self._event.query_id}")
        try:
            yield
        finally:
            if self._is_open:
                stop.cancel()
            await asyncio.gather(stop, return_exceptions=True)

    async def end(self, text: str = "") -> None:
        """Stop the button; ``text`` is shown for a moment. Best effort: the work is done all the same."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(TelegramError, TimeoutError):
                await self._answer(text or None)

    async def refuse(self, text: str) -> None:
        """Say why nothing was done, to the presser alone; raises as ``Reply.send`` does."""
        if self._is_open:
            try:
                await self._answer(cut(text, ALERT_UNITS), show_alert=True)
            except BadRequest:
                self._is_open = False  # too old
            else:
                self._is_open = False
                return
        place = self._event.place
        if place.is_group:
            place = Place(int(self._event.context.user_id))
        await self._sender.put_text(place, text)

    async def _stop_later(self) -> None:
        await asyncio.sleep(SPIN_S)
        await self.end()

    async def _answer(self, text: str | None, *, show_alert: bool = False) -> None:
        async with asyncio.timeout(PRESS_S):
            await self._bot.answer_callback_query(self._event.query_id, text, show_alert=show_alert or None)
