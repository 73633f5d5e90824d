"""Answers one event: understand it, ask the desk once, say the outcome or the refusal until it arrives.

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
from bot.desk.outcomes import CancelAsked, Outcome, Receipt
from bot.errors import PersonError, UnknownCommand

PRESS_S = 10.0


class Answers:
    """Turns what people say and press into the desk's work and our replies."""

    def __init__(self, bot: Bot, sender: Sender, desk: Desk, placing: Placing) -> None:
        self._bot = bot
        self._sender = sender
        self._desk = desk
        self._placing = placing

    async def ask(self, event: Said | Pressed) -> Outcome | PersonError | None:
        """Have the desk do what is wanted; what there is to say of it, if anything.

        Asked once for each event: only a draw may be asked again, as the desk knows its job by the event.
        """
        if isinstance(event, Pressed):
            await self._stop_spinner(event.query_id)
        try:
            command = press_of(event.data) if isinstance(event, Pressed) else parse(event.text)
            outcome = await self._desk.handle(command, event.visit)
        except UnknownCommand as error:
            return error if isinstance(event, Pressed) or event.is_addressed else None
        except PersonError as error:
            return error
        # The message of a job that a button cancelled is about to say so itself.
        return None if isinstance(event, Pressed) and isinstance(outcome, CancelAsked) else outcome

    async def tell(self, event: Said | Pressed, what: Outcome | PersonError | None) -> None:
        """Say what ``ask`` returned.

        Raises:
            Undeliverable: The chat is closed to us.
            TelegramError: It did not arrive; telling again is harmless. So does a ``TimeoutError``.
        """
        locale = event.visit.locale
        match what:
            case None:
                return
            case PersonError():
                await self._say(event.place, words.explain(what, locale))
            case Receipt():
                await self._place_placeholder(what, event.place, locale)
            case _:
                await self._say(event.place, words.say(what, locale))

    async def apologise(self, event: Said | Pressed, error: Exception) -> None:
        """Say that something went wrong on our side; raises what ``tell`` raises."""
        await self._say(event.place, words.explain(error, event.visit.locale))

    async def _stop_spinner(self, query_id: str) -> None:
        try:
            async with asyncio.timeout(PRESS_S):
                await self._bot.answer_callback_query(query_id)
        except (TelegramError, TimeoutError):
            return  # too old perhaps: pressed while we were away, or before a crash; the work is still wanted

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
