"""Calls of the desk for updates: only a few at once, and long ones are announced."""

import asyncio
import contextlib
from dataclasses import replace
from functools import partial

from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden, TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.replies import command_of_reply
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.memberships import Memberships
from bot.chats.telegram_.outgoing.sender import Sender
from bot.commands.grammar import parse, with_file
from bot.commands.values import Command, Help, SentFile
from bot.errors import PersonError
from bot.outcomes import CommandContext, Outcome, Platform, Undeliverable

SHOW_WORK_AFTER_S = 1.5  # a quicker answer needs no announcement
SHOW_WORK_EVERY_S = 4.0  # at most 15 edits a minute, of the 20 that a group may have
MAX_DESK_CALLS = 8  # updates that wait for the desk at the same time
ACTION_TIMEOUT_S = 10.0


class DeskCalls:
    """Asks the desk on behalf of updates."""

    def __init__(self, bot: Bot, sender: Sender, desk: Desk) -> None:
        self._bot = bot
        self._sender = sender
        self._desk = desk
        self._slots = asyncio.Semaphore(MAX_DESK_CALLS)
        self._memberships = Memberships(bot, lambda: desk.tier_groups(Platform.TELEGRAM))

    def close(self) -> None:
        """Ask Telegram nothing more about members."""
        self._memberships.close()

    async def call(self, command: Command, context: CommandContext) -> Outcome:
        """Let the desk carry out a command; raises as ``Desk.handle``."""
        context = replace(context, groups=await self._memberships.of(context.user_id))
        async with self._slots:
            return await self._desk.handle(command, context)

    async def call_long(
        self, command: Command, context: CommandContext, address: ChatAddress
    ) -> tuple[Outcome | PersonError, ChatAddress]:
        """Call the desk; if that takes long, show how far it is in the message that the answer will replace.

        Returns:
            The outcome or refusal, and the address of its answer.
        """
        context = replace(context, groups=await self._memberships.of(context.user_id))
        name = f"telegram desk {context.event_id}"
        calling = asyncio.create_task(self._desk.handle(command, context), name=name)
        try:
            wait_s, shown = SHOW_WORK_AFTER_S, ""
            while not (await asyncio.wait({calling}, timeout=wait_s))[0]:
                progress = self._desk.progress_of(context)
                wait_s, text = SHOW_WORK_EVERY_S, messages.working_on_it(context.locale, progress)
                if text != shown:
                    with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
                        address = await self._sender.show_text(address, text)
                    shown = text
            return await calling, address
        except PersonError as refusal:
            return refusal, address
        finally:
            calling.cancel()

    async def command_of(
        self,
        text: str,
        address: ChatAddress,
        replied_to: int | None,
        file: SentFile | None,
        context: CommandContext,
    ) -> Command:
        """Return the command of a text, which may reply to a message that shows a picture of ours.

        Raises:
            PersonError: It is not understood, or the person may not draw from this picture.
        """
        chat_id = str(address.chat_id)
        shown = None
        if replied_to is not None:
            shown = await self._desk.find_message(Platform.TELEGRAM, chat_id, str(replied_to))
        if shown is None:
            return with_file(parse(text), file)
        ask = partial(self.call, context=context)
        return await command_of_reply(text, shown.job_id, shown.index, file, ask)

    async def refusal_of_chat(self, context: CommandContext) -> PersonError | None:
        """Ask the desk whether it serves this chat; if not, the person learns only that."""
        try:
            await self.call(Help(), context)
        except PersonError as refusal:
            return refusal
        return None

    async def with_private_address(self, command: Command, context: CommandContext) -> CommandContext:
        """Add the person's private chat to a request for a private picture from a group.

        Only Telegram knows whether the person opened the private chat and did not block the bot. A chat
        action finds that out; it shows "typing…" there for a moment.

        Raises:
            TelegramError, TimeoutError: Telegram did not answer; call again.
        """
        if not (context.is_group and self._desk.wants_private(command, context)):
            return context
        user_id = int(context.user_id)
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                await self._bot.send_chat_action(user_id, ChatAction.TYPING)
        except (BadRequest, Forbidden):
            return context
        return replace(context, private_address=ChatAddress(user_id).to_address())
