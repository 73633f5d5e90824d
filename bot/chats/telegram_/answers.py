"""Answers one event: understand it, ask the desk once, and make the sends that say what came of it.

What was accepted before a crash is not announced twice.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace

import structlog
from telegram import Bot
from telegram.error import TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.event_kinds import UpdateKind
from bot.chats.telegram_.incoming import Added, Event, Ignored, Migrated, Pressed, Refused, Said, link_to
from bot.chats.telegram_.keyboards import cancel_keyboard
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.placing import Placing
from bot.chats.telegram_.replies.pictures import Pictures
from bot.chats.telegram_.replies.presses import Press
from bot.chats.telegram_.replies.reach import with_private_address
from bot.chats.telegram_.replies.reply import Reply, Send
from bot.chats.telegram_.sender import Sender
from bot.commands.buttons import press_of
from bot.commands.grammar import parse
from bot.commands.values import Cancel, Command, Help
from bot.errors import AlreadyEnded, NoPrivateChat, PersonError
from bot.outcomes import (
    CancelAsked,
    CommandContext,
    History,
    Originals,
    Outcome,
    Platform,
    Receipt,
    Undeliverable,
)

AT_ONCE = 8  # events that wait for the desk at the same time
ALBUMS = 256  # whose first item was answered; the others follow within a second

log = structlog.get_logger(__name__)


class Answers:
    """Turns what people say and press into the desk's work and our replies."""

    def __init__(self, bot: Bot, sender: Sender, desk: Desk, placing: Placing) -> None:
        self._bot = bot
        self._sender = sender
        self._desk = desk
        self._placing = placing
        self._pictures = Pictures(sender, desk)
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._albums: OrderedDict[str, None] = OrderedDict()

    async def ask(self, event: Event) -> Reply:
        """Have the desk do what is wanted; what there is to send then.

        Raises:
            TelegramError: Nothing was done yet; ask again. So does a ``TimeoutError``.
        """
        match event:
            case Said():
                return await self._answer_text(event)
            case Pressed():
                return await self._answer_press(event)
            case Refused():
                return await self._answer_refused(event)
            case Added():
                return await self._greet(event)
            case Migrated():
                await self.migrated(event.old_chat_id, event.new_chat_id)
                return Reply()
            case Ignored():
                return Reply()

    def apology(self, event: Event, error: Exception) -> Reply:
        """Say that something went wrong on our side."""
        match event:
            case Pressed():
                press = Press(self._bot, self._sender, event)
                return Reply(lambda: press.refuse(messages.explain(error, event.context.locale)))
            case Said() | Refused() | Added():
                return self._text(event.place, messages.explain(error, event.context.locale))
            case _:
                return Reply()

    async def migrated(self, old_chat_id: int, new_chat_id: int) -> None:
        """Let everything the desk knows of a group follow it to its new id."""
        await self._desk.migrate_chat(Platform.TELEGRAM, str(old_chat_id), str(new_chat_id))

    async def _answer_text(self, event: Said) -> Reply:
        context = event.context
        try:
            command = parse(event.text)
            context = await with_private_address(self._bot, command, context)
            outcome = await self._handle(command, context)
        except NoPrivateChat as error:
            link = link_to(self._bot.bot, "private")
            return self._text(event.place, f"{messages.explain(error, context.locale)}\n{link}")
        except PersonError as error:
            return self._text(event.place, messages.explain(error, context.locale))
        place = event.place if context.private_address is None else Place.of(context.private_address)
        match outcome:
            case Receipt():
                return self._accepted(outcome, command, context, place)
            case History():
                return self._pictures.mine(outcome, place, context.locale)
            case CancelAsked(was_running=False):
                self._placing.cancelled_by_word(outcome.job_id, place.chat_id)
        return self._text(place, messages.say(outcome, context.locale))

    async def _answer_press(self, event: Pressed) -> Reply:
        press = Press(self._bot, self._sender, event)
        locale = event.context.locale
        command: Command | None = None
        try:
            async with press.spinning():
                command = press_of(event.data)
                outcome = await self._handle(command, event.context)
        except PersonError as error:
            refusal = messages.explain(error, locale)
            sends: list[Send] = [lambda: press.refuse(refusal)]
            if isinstance(error, AlreadyEnded):
                sends += self._fold(command, event)
            return Reply(*sends)
        match outcome:
            case Receipt():
                await press.end()
                return self._accepted(outcome, command, event.context, event.place)
            case Originals():
                await press.end()
                return self._pictures.originals(outcome, event.place)
            case CancelAsked():
                # The job's own message is about to say that it is cancelled.
                await press.end(messages.say(outcome, locale) if outcome.was_running else "")
                return Reply(*self._fold(command, event))
        await press.end()
        return self._text(event.place, messages.say(outcome, locale))

    async def _answer_refused(self, event: Refused) -> Reply:
        if event.album and event.album in self._albums:
            log.debug("update ignored", event_id=event.context.event_id, kind=UpdateKind.ALBUM_ITEM.name)
            return Reply()
        error = event.error
        try:
            await self._handle(
                Help(), event.context
            )  # a chat that is not served hears that, and nothing else
        except PersonError as refusal:
            error = refusal
        if event.album:
            self._albums[event.album] = None
            if len(self._albums) > ALBUMS:
                self._albums.popitem(last=False)
        return self._text(event.place, messages.explain(error, event.context.locale))

    async def _greet(self, event: Added) -> Reply:
        text = messages.greeting(self._bot.username, event.context.locale)
        try:
            await self._handle(Help(), event.context)
        except PersonError as error:
            text = messages.explain(error, event.context.locale)
        return self._text(event.place, text)

    async def _handle(self, command: Command, context: CommandContext) -> Outcome:
        async with self._asking:
            return await self._desk.handle(command, context)

    def _text(self, place: Place, text: str) -> Reply:
        async def send() -> None:
            await self._sender.put_text(place, text)

        return Reply(send)

    def _accepted(self, receipt: Receipt, command: Command, context: CommandContext, place: Place) -> Reply:
        is_first_try = True

        async def send() -> None:
            nonlocal receipt, is_first_try
            if not is_first_try:
                with suppress(PersonError):  # its picture may stand there by now
                    again = await self._handle(command, context)
                    receipt = again if isinstance(again, Receipt) else receipt
            is_first_try = False
            await self._place_placeholder(receipt, place, context.locale)

        return Reply(send, is_accepted=True)

    async def _place_placeholder(self, receipt: Receipt, place: Place, locale: str) -> None:
        if receipt.repeated:
            if receipt.address is None or Place.of(receipt.address).message_id is not None:
                return
            if self._placing.is_on_its_way(receipt.job_id):
                return  # with its result
        text = messages.say(_as_new(receipt), locale)
        async with self._placing.of(receipt.job_id) as placed:
            sent = await self._sender.put_text(place, text, cancel_keyboard(receipt.job_id, locale))
            placed.set_result(sent)
            await self._desk.store_placeholder(receipt.job_id, sent.address())

    def _fold(self, command: Command | None, event: Pressed) -> list[Send]:
        """Take the button from a second placeholder, which a crash or a lost answer may leave behind."""
        if not isinstance(command, Cancel):
            return []
        job_id = command.job_id

        async def fold() -> None:
            address = await self._desk.placeholder_of(job_id)
            pressed = event.place
            if address is None or pressed.reply_to is None:
                return
            place = Place.of(address)
            is_the_one = place.message_id in (None, pressed.reply_to) or pressed.reply_to in place.album
            if is_the_one or place.chat_id != pressed.chat_id:
                return
            spare = Place(pressed.chat_id, message_id=pressed.reply_to)
            with suppress(Undeliverable, TelegramError, TimeoutError):
                await self._sender.edit_text(spare, messages.goes_on_elsewhere(event.context.locale))

        return [fold]


def _as_new(receipt: Receipt) -> Receipt:
    """A job that was accepted before a crash but not announced is announced like a new one."""
    return replace(receipt, repeated=False)
