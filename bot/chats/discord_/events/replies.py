"""Answers plain messages: stored first, then asked of the desk, answered by one reply, then settled.

A message needs no acknowledgement, so its placeholder is sent when the job is accepted, with the job's id as
nonce; a crash in between shows it once. Nothing pings anybody.
"""

import asyncio
from dataclasses import replace

import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.address import Ref
from bot.chats.discord_.delivery import UNREACHED, Delivery
from bot.chats.discord_.events.kinds import RULES, Raw, kind_of_message
from bot.chats.discord_.events.messages import Locales, Said, may_answer, read
from bot.chats.discord_.intake import Intake
from bot.errors import PersonError
from bot.outcomes import Receipt

log = structlog.get_logger()


class Replies:
    """Answers the messages of one connection."""

    def __init__(
        self, client: discord.Client, desk: Desk, delivery: Delivery, intake: Intake, locales: Locales
    ) -> None:
        self._client = client
        self._desk = desk
        self._delivery = delivery
        self._intake = intake
        self._locales = locales
        self._busy: set[asyncio.Task[None]] = set()

    def take(self, raw: Raw) -> None:
        """Take a MESSAGE_CREATE: answer it in a task of its own, or ignore it as the table says.

        Raises:
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError: It is malformed.
        """
        if self._client.user is None:
            return
        my_id = self._client.user.id
        kind = kind_of_message(raw, my_id)
        if not RULES[kind].is_answered:
            log.debug("message ignored", message_id=raw.get("id"), kind=kind.value)
            return
        guild = self._client.get_guild(int(raw.get("guild_id") or 0))
        said = read(raw, kind, my_id, self._locales, str(guild.preferred_locale) if guild else "")
        if self._intake.is_new(raw):
            task = asyncio.create_task(self._supervised(said), name=f"discord message {said.event_id}")
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait a moment for the answers under way."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=timeout_s)

    async def _supervised(self, said: Said) -> None:
        """The supervision point: whatever happens to one message, the others go on."""
        try:
            await self._answer(said)
        except UNREACHED as error:  # it is stored, and answered after the next start
            log.warning("answer not sent", message_id=said.event_id, error=type(error).__name__)
        except Exception as error:  # the supervision point: logged with its ids, the person gets an apology
            log.exception("message failed", message_id=said.event_id, guild_id=said.guild_id)
            await self._apologise(said, error)
            await self._intake.settle(said.event_id)

    async def _answer(self, said: Said) -> None:
        may_post, may_attach = may_answer(self._client, said)
        ref = said.ref(self._client.application_id or 0, may_post=may_post, may_attach=may_attach)
        try:
            await self._intake.store(said.event_id)
            outcome = await self._desk.handle(said.command(), said.context(ref))
        except PersonError as error:
            text = messages.explain(error, said.locale, times="discord")
            await self._delivery.answer(text, ref, said.locale, said.event_id)
        else:
            if not isinstance(outcome, Receipt):
                await self._delivery.show_outcome(outcome, ref, said.locale, said.event_id)
            elif not _is_shown(outcome):
                await self._delivery.show_receipt(replace(outcome, repeated=False), ref, said.locale)
        await self._intake.settle(said.event_id)

    async def _apologise(self, said: Said, error: Exception) -> None:
        ref = said.ref(self._client.application_id or 0, may_post=True, may_attach=True)
        try:
            await self._delivery.answer(messages.explain(error, said.locale), ref, said.locale, said.event_id)
        except UNREACHED as unreached:
            log.warning("apology not sent", message_id=said.event_id, error=type(unreached).__name__)


def _is_shown(receipt: Receipt) -> bool:
    """Whether the placeholder was sent before a crash."""
    return receipt.address is not None and Ref.read(receipt.address.ref).message_id != 0
