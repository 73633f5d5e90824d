"""The answer to a press of a button."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram import Bot
from telegram.constants import CallbackQueryLimit
from telegram.error import BadRequest, TelegramError

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.updates import ButtonPress
from bot.chats.telegram_.outgoing.sender import Sender
from bot.chats.telegram_.outgoing.texts import truncate

MAX_SPIN_S = 2.0  # how long a button may show its spinner while the desk is busy
ANSWER_TIMEOUT_S = 10.0
MAX_ALERT_UNITS = int(CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH)


class PressAnswer:
    """The answer to one press of a button; Telegram accepts only one.

    The button shows a spinner until then. A refusal is visible to the presser only: it is an alert, or, if
    the press is too old for an alert, a message in the private chat. It is never a message in a group.
    """

    def __init__(self, bot: Bot, sender: Sender, press: ButtonPress) -> None:
        self._bot = bot
        self._sender = sender
        self._press = press
        self._is_open = True

    @asynccontextmanager
    async def limit_spinner(self) -> AsyncIterator[None]:
        """Stop the spinner after ``MAX_SPIN_S`` seconds if the block still runs."""

        async def stop_later() -> None:
            await asyncio.sleep(MAX_SPIN_S)
            await self.stop_spinner()

        stopping = asyncio.create_task(stop_later(), name=f"telegram press {self._press.query_id}")
        try:
            yield
        finally:
            if self._is_open:
                stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def stop_spinner(self, text: str = "") -> None:
        """Answer the press and show ``text`` for a moment. Failures are ignored: the work is done anyway."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(TelegramError, TimeoutError):
                await self._answer(truncate(text, MAX_ALERT_UNITS) or None)

    async def refuse(self, text: str) -> None:
        """Show the presser why nothing was done; raises the same errors as ``Reply.send``."""
        await self._show(text, as_alert=True)

    async def confirm(self, text: str) -> None:
        """Show the presser for a moment what was done; raises the same errors as ``Reply.send``."""
        await self._show(text, as_alert=False)

    async def _show(self, text: str, *, as_alert: bool) -> None:
        if self._is_open:
            try:
                await self._answer(truncate(text, MAX_ALERT_UNITS), show_alert=as_alert)
            except BadRequest:
                self._is_open = False  # the press is too old
            else:
                self._is_open = False
                return
        address = self._press.address
        if address.is_group:
            address = ChatAddress(int(self._press.context.user_id))
        await self._sender.show_text(address, text)

    async def _answer(self, text: str | None, *, show_alert: bool = False) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._bot.answer_callback_query(self._press.query_id, text, show_alert=show_alert or None)
