"""Answers one event: understand it, ask the desk, say the outcome or the refusal.

A press is answered first and worked on later, or its button would spin. What was accepted before a crash is
not announced twice.
"""

import asyncio
from dataclasses import replace

from telegram import Bot
from telegram.error import TelegramError

from bot import words
from bot.chats.contract import Desk
from bot.chats.telegram_.incoming import Pressed, Said
from bot.chats.telegram_.keyboards import cancel_keyboard
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.placing import Placing
from bot.chats.telegram_.sender import Sender
from bot.commands.buttons import press_of
from bot.commands.grammar import parse
from bot.desk.outcomes import CancelAsked, Outcome, Receipt, Visit
from bot.errors import PersonError, UnknownCommand

PRESS_S = 10.0


class Answers:
    """Turns what people say and press into the desk's work and our replies."""

    def __init__(self, bot: Bot, sender: Sender, desk: Desk, placing: Placing) -> None:
        self._bot = bot
        self._sender = sender
        self._desk = desk
        self._placing = placing

    async def to_said(self, said: Said) -> None:
        """Answer a message.

        Raises:
            Undeliverable: The chat is closed to us.
            TelegramError: The answer did not arrive; asking again is harmless. So does a ``TimeoutError``.
        """
        try:
            outcome = await self._desk.handle(parse(said.text), said.visit)
        except UnknownCommand as error:
            if said.is_addressed:
                await self._say(said.place, words.explain(error, said.visit.locale))
        except PersonError as error:
            await self._say(said.place, words.explain(error, said.visit.locale))
        else:
            await self._tell(outcome, said.place, said.visit)

    async def to_press(self, pressed: Pressed) -> None:
        """Answer a press; raises what ``to_said`` raises."""
        await self._stop_spinner(pressed.query_id)
        try:
            outcome = await self._desk.handle(press_of(pressed.data), pressed.visit)
        except PersonError as error:
            await self._say(pressed.place, words.explain(error, pressed.visit.locale))
        else:
            # The cancelled job's own message is about to say so.
            if not isinstance(outcome, CancelAsked):
                await self._tell(outcome, pressed.place, pressed.visit)

    async def apologise(self, event: Said | Pressed, error: Exception) -> None:
        """Say that something went wrong on our side; raises what ``to_said`` raises."""
        await self._say(event.place, words.explain(error, event.visit.locale))

    async def _stop_spinner(self, query_id: str) -> None:
        try:
            async with asyncio.timeout(PRESS_S):
                await self._bot.answer_callback_query(query_id)
        except (TelegramError, TimeoutError):
            return  # too old perhaps: pressed while we were away, or before a crash; the work is still wanted

    async def _tell(self, outcome: Outcome, place: Place, visit: Visit) -> None:
        if isinstance(outcome, Receipt):
            await self._place_placeholder(outcome, place, visit.locale)
        else:
            await self._say(place, words.say(outcome, visit.locale))

    async def _place_placeholder(self, receipt: Receipt, place: Place, locale: str) -> None:
        if receipt.repeated:
            if receipt.address is None or Place.of(receipt.address).message_id is not None:
                return
            if self._placing.is_on_its_way(receipt.job_id):
                return  # with its result
            receipt = replace(receipt, repeated=False)  # accepted before a crash, but never told
        async with self._placing.of(receipt.job_id) as placed:
            sent = await self._sender.put_text(
                place, words.say(receipt, locale), cancel_keyboard(receipt.job_id, locale)
            )
            placed.set_result(sent)
            await self._desk.moved(receipt.job_id, sent.address())

    async def _say(self, place: Place, text: str) -> None:
        await self._sender.put_text(place, text)
