"""Takes interactions in: acknowledged within Discord's three seconds, then asked of the desk, then answered.

What can be refused by reading alone is refused in the first call, to the person alone. What asks for pictures
is stored before it is acknowledged, so that a crash cannot leave "thinking…" standing for ever. What cannot
be acknowledged is not accepted and so not charged: Discord has told the person that we did not answer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
import structlog

from bot import words
from bot.chats.contract import Desk
from bot.chats.discord_.delivery import UNREACHED, Delivery
from bot.chats.discord_.intake import Intake
from bot.chats.discord_.letters import CALL_TIMEOUT_S, NOBODY, plain
from bot.chats.discord_.reading import command_of, is_secret, locale_of, ref_of, suggestions, visit_of
from bot.commands.buttons import press_of
from bot.commands.table import Entry, Option
from bot.commands.values import Command, Draw, Reroll
from bot.desk.outcomes import Receipt
from bot.errors import PersonError, UnknownCommand

Interaction = discord.Interaction[discord.Client]
log = structlog.get_logger()
ACK_TIMEOUT_S = 3.0  # Discord, Receiving and Responding: later answers are refused
DRAIN_TIMEOUT_S = 5.0
ALREADY_ACKNOWLEDGED = 40060  # by our own first try whose answer was lost, or before the event was replayed


class Incoming:
    """Answers the menu and the buttons of one connection."""

    def __init__(self, desk: Desk, delivery: Delivery, intake: Intake) -> None:
        self._desk = desk
        self._delivery = delivery
        self._intake = intake
        self._busy: set[asyncio.Task[object]] = set()

    async def give(self, interaction: Interaction, entry: Entry, given: Mapping[str, object]) -> None:
        """Answer a slash command."""
        await self._supervised(interaction, lambda: command_of(entry, given))

    async def press(self, interaction: Interaction) -> None:
        """Answer a button."""
        data: Mapping[str, Any] = interaction.data or {}
        await self._supervised(interaction, lambda: press_of(str(data.get("custom_id", ""))))

    async def unknown(self, interaction: Interaction) -> None:
        """Say that there is no such command (any more)."""

        def read() -> Command:
            data: Mapping[str, Any] = interaction.data or {}
            raise UnknownCommand(text=str(data.get("name", "")), nearest=())

        if interaction.type is discord.InteractionType.application_command:
            await self._supervised(interaction, read)

    def suggest(self, option: Option, typed: str, locale: str) -> Sequence[tuple[str, str]]:
        """(label, value) pairs that match what was typed so far; from memory, at once."""
        return suggestions(self._desk, option, typed, words.locale_of(locale))

    async def drain(self) -> None:
        """Wait a moment for the answers under way."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=DRAIN_TIMEOUT_S)

    async def _supervised(self, interaction: Interaction, read: Callable[[], Command]) -> None:
        """The adapter's supervision point: whatever happens to one interaction, the others go on."""
        task = asyncio.current_task()
        if task is not None:
            self._busy.add(task)
        try:
            await self._answer(interaction, read)
        except UNREACHED as error:
            log.warning("answer not sent", interaction_id=interaction.id, error=type(error).__name__)
        except Exception as error:  # the supervision point: logged with its ids, the person gets an apology
            log.exception("interaction failed", interaction_id=interaction.id, guild_id=interaction.guild_id)
            await self._apologise(interaction, error)
        finally:
            if task is not None:
                self._busy.discard(task)

    async def _answer(self, interaction: Interaction, read: Callable[[], Command]) -> None:
        try:
            command = read()
        except PersonError as error:
            self._intake.forget(str(interaction.id))
            await _reply(interaction, words.explain(error, locale_of(interaction)))
            return
        if not isinstance(command, Draw | Reroll):  # all else costs nothing and is asked again in a second
            self._intake.forget(str(interaction.id))
            await self._serve(interaction, command)
            return
        await self._intake.store(str(interaction.id))
        try:
            await self._serve(interaction, command)
        except asyncio.CancelledError:  # our stop: the next start goes on from here
            raise
        except BaseException:
            await self._intake.settle(str(interaction.id))
            raise
        await self._intake.settle(str(interaction.id))

    async def _serve(self, interaction: Interaction, command: Command) -> None:
        locale = locale_of(interaction)
        secret = is_secret(command, interaction)
        answer = await self._acknowledge(interaction, secret=secret)
        if answer is None:
            return
        message_id, is_blank = answer
        ref = ref_of(interaction, message_id, ephemeral=secret)
        try:
            outcome = await self._desk.handle(command, visit_of(interaction, ref))
        except PersonError as error:
            await _replace(interaction, words.explain(error, locale), secret=secret)
            return
        if not isinstance(outcome, Receipt):
            await self._delivery.show_outcome(outcome, ref, locale)
        elif is_blank:  # else a crash came after the receipt, which may have become the picture
            self._delivery.show_receipt(replace(outcome, repeated=False), ref, locale)

    async def _acknowledge(self, interaction: Interaction, *, secret: bool) -> tuple[int, bool] | None:
        """Make Discord show that we think.

        Returns:
            The answer's message id, and whether it still shows nothing else; None where it is too late.
        """
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                made = await interaction.response.defer(ephemeral=secret, thinking=True)
        except UNREACHED as error:
            if getattr(error, "code", 0) != ALREADY_ACKNOWLEDGED:
                log.warning("too late to answer", interaction_id=interaction.id, error=type(error).__name__)
                return None
            made = None
        if made is not None and made.message_id is not None:
            return made.message_id, True
        async with asyncio.timeout(CALL_TIMEOUT_S):
            message = await interaction.original_response()
        return message.id, message.flags.loading

    async def _apologise(self, interaction: Interaction, error: Exception) -> None:
        text = words.explain(error, locale_of(interaction))
        try:
            if interaction.response.is_done():
                await _replace(interaction, text, secret=True)
            else:
                await _reply(interaction, text)
        except UNREACHED as unreached:
            log.warning("apology not sent", interaction_id=interaction.id, error=type(unreached).__name__)


async def _reply(interaction: Interaction, text: str) -> None:
    """Say something to the person alone, as the first and only answer."""
    async with asyncio.timeout(ACK_TIMEOUT_S):
        await interaction.response.send_message(plain(text), ephemeral=True, allowed_mentions=NOBODY)


async def _replace(interaction: Interaction, text: str, *, secret: bool) -> None:
    """Say something in place of "thinking"; to the person alone, also where that shows to everyone."""
    async with asyncio.timeout(CALL_TIMEOUT_S):
        if secret:
            await interaction.edit_original_response(content=plain(text), allowed_mentions=NOBODY)
            return
        await interaction.delete_original_response()
        await interaction.followup.send(plain(text), ephemeral=True, allowed_mentions=NOBODY)
