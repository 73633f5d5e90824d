"""Takes interactions in: acknowledged within Discord's three seconds, then asked of the desk, then answered.

What can be refused by reading alone is refused in the first call, to the person alone. All else is stored
before it is acknowledged and settled after it was answered, so that a crash cannot leave "thinking…" standing
for ever; where the disk takes nothing it is refused instead. What cannot be acknowledged is not accepted and
so not charged: Discord has told the person that we did not answer. What is found so late after a stop that
its token is dead is answered by a message.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.address import Ref
from bot.chats.discord_.client import MALFORMED
from bot.chats.discord_.delivery import UNREACHED, Delivery
from bot.chats.discord_.events.messages import Locales
from bot.chats.discord_.intake import Intake
from bot.chats.discord_.letters import CALL_TIMEOUT_S, NOBODY, plain
from bot.chats.discord_.reading import command_of, is_secret, locale_of, ref_of, suggestions, visit_of
from bot.commands.buttons import press_of
from bot.commands.table import CommandEntry, Option
from bot.commands.values import Cancel, Command, Help
from bot.errors import CannotSave, OldButton, PersonError, UnknownCommand
from bot.outcomes import CancelAsked, Receipt

Interaction = discord.Interaction[discord.Client]
log = structlog.get_logger()
ACK_TIMEOUT_S = 3.0  # Discord, Receiving and Responding: later answers are refused
DRAIN_TIMEOUT_S = 5.0
PRESS_SEEN = discord.InteractionResponseType.deferred_message_update
ALREADY_ACKNOWLEDGED = 40060  # by our own first try whose answer was lost, or before the event was replayed


class Incoming:
    """Answers the menu and the buttons of one connection."""

    def __init__(
        self, desk: Desk, delivery: Delivery, intake: Intake, locales: Locales, clock: Callable[[], int]
    ) -> None:
        self._desk = desk
        self._delivery = delivery
        self._intake = intake
        self._locales = locales
        self._clock = clock
        self._busy: set[asyncio.Task[object]] = set()

    async def give(self, interaction: Interaction, entry: CommandEntry, given: Mapping[str, object]) -> None:
        """Answer a slash command."""
        await self._supervised(interaction, lambda: command_of(entry, given))

    async def press(self, interaction: Interaction) -> None:
        """Answer a button, a list or a form, of which only our present buttons mean something."""

        def read() -> Command:
            data: Mapping[str, Any] = interaction.data or {}
            custom_id = str(data.get("custom_id", ""))
            if interaction.type is discord.InteractionType.modal_submit:
                raise OldButton(text=custom_id, nearest=())
            return press_of(custom_id)

        await self._supervised(interaction, read)

    async def unknown(self, interaction: Interaction) -> None:
        """Say that there is no such command (any more)."""

        def read() -> Command:
            data: Mapping[str, Any] = interaction.data or {}
            raise UnknownCommand(text=str(data.get("name", "")), nearest=())

        if interaction.type is discord.InteractionType.application_command:
            await self._supervised(interaction, read)

    def suggest(self, option: Option, typed: str, locale: str) -> Sequence[tuple[str, str]]:
        """(label, value) pairs that match what was typed so far; from memory, at once."""
        return suggestions(self._desk, option, typed, messages.locale_of(locale))

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
            self._locales.note(str(interaction.user.id), locale_of(interaction))
            await self._answer(interaction, read)
        except UNREACHED as error:  # what is stored is answered after the next start
            log.warning("answer not sent", interaction_id=interaction.id, error=type(error).__name__)
        except Exception as error:  # the supervision point: logged with its ids, the person gets an apology
            log.exception("interaction failed", interaction_id=interaction.id, guild_id=interaction.guild_id)
            await self._apologise(interaction, error)
            await self._intake.settle(str(interaction.id))
        finally:
            if task is not None:
                self._busy.discard(task)

    async def _answer(self, interaction: Interaction, read: Callable[[], Command]) -> None:
        event_id = str(interaction.id)
        try:
            command = read()
        except PersonError as error:
            self._intake.forget(event_id)
            await _reply(interaction, self._explained(error, interaction))
            return
        try:
            await self._intake.store(event_id)
        except CannotSave as error:
            if not isinstance(command, Help):  # which needs no disk
                await _reply(interaction, self._explained(error, interaction))
                return
        await self._serve(interaction, command)
        await self._intake.settle(event_id)

    async def _serve(self, interaction: Interaction, command: Command) -> None:
        secret = is_secret(command, interaction)
        ref = ref_of(interaction, 0, ephemeral=secret)
        if not ref.is_editable(self._clock()):  # found after a stop that outlived its token
            await self._serve_late(interaction, command, ref)
        elif isinstance(command, Cancel) and interaction.type is discord.InteractionType.component:
            await self._serve_cancel(interaction, command, ref)
        else:
            answer = await self._acknowledge(interaction, secret=secret)
            if answer is not None:
                await self._serve_shown(interaction, command, replace(ref, message_id=answer))

    async def _serve_shown(self, interaction: Interaction, command: Command, ref: Ref) -> None:
        """Answer in the message that shows "thinking"; its id is 0 where it is gone again."""
        locale = locale_of(interaction)
        try:
            outcome = await self._desk.handle(command, visit_of(interaction, ref))
        except PersonError as error:
            await _replace(interaction, self._explained(error, interaction), ref)
            return
        if not isinstance(outcome, Receipt):
            await self._delivery.show_outcome(outcome, ref, locale, str(interaction.id))
        elif ref.message_id:
            await self._delivery.show_receipt(replace(outcome, repeated=False), ref, locale)

    async def _serve_cancel(self, interaction: Interaction, command: Cancel, ref: Ref) -> None:
        """Answer a press of Cancel by what its own message becomes; only a refusal is a message."""
        if not await self._acknowledge_press(interaction):
            return
        try:
            outcome = await self._desk.handle(command, visit_of(interaction, ref))
        except PersonError as error:
            await _follow_up(interaction, self._explained(error, interaction))
            return
        if isinstance(outcome, CancelAsked):
            self._delivery.show_stopping(outcome)

    async def _serve_late(self, interaction: Interaction, command: Command, ref: Ref) -> None:
        """Answer without the token, which is dead: by a message, privately what only the person may see."""
        locale, event_id = locale_of(interaction), str(interaction.id)
        log.info("interaction answered late", interaction_id=interaction.id)
        try:
            outcome = await self._desk.handle(command, visit_of(interaction, ref))
        except PersonError as error:
            alone = replace(ref, ephemeral=True)
            await self._delivery.answer(self._explained(error, interaction), alone, locale, event_id)
            return
        if not isinstance(outcome, Receipt):
            await self._delivery.show_outcome(outcome, ref, locale, event_id)
        elif outcome.address is None or not Ref.read(outcome.address.ref).posted:
            await self._delivery.show_receipt(replace(outcome, repeated=False), ref, locale)

    async def _acknowledge(self, interaction: Interaction, *, secret: bool) -> int | None:
        """Make Discord show that we think.

        Returns:
            The answer's message id, 0 where it was deleted; None where it is too late or shows an answer.
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
            return made.message_id
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                message = await interaction.original_response()
        except discord.NotFound:  # by a public refusal of ours, which may not have arrived, or by the person
            return None if secret else 0
        return message.id if message.flags.loading else None

    async def _acknowledge_press(self, interaction: Interaction) -> bool:
        """Tell Discord that the pressed message will change; False where it is too late."""
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await interaction.response.defer()
        except UNREACHED as error:
            if getattr(error, "code", 0) != ALREADY_ACKNOWLEDGED:
                log.warning("too late to answer", interaction_id=interaction.id, error=type(error).__name__)
                return False
        return True

    def _explained(self, error: Exception, interaction: Interaction) -> str:
        return messages.explain(error, locale_of(interaction), times="discord")

    async def _apologise(self, interaction: Interaction, error: Exception) -> None:
        try:
            text = self._explained(error, interaction)
            if interaction.response.is_done() and interaction.response.type is not PRESS_SEEN:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await interaction.edit_original_response(content=plain(text), allowed_mentions=NOBODY)
            elif interaction.response.is_done():
                await _follow_up(interaction, text)
            else:
                await _reply(interaction, text)
        except (*UNREACHED, *MALFORMED) as unreached:
            log.warning("apology not sent", interaction_id=interaction.id, error=type(unreached).__name__)


async def _reply(interaction: Interaction, text: str) -> None:
    """Say something to the person alone, as the first and only answer."""
    async with asyncio.timeout(ACK_TIMEOUT_S):
        await interaction.response.send_message(plain(text), ephemeral=True, allowed_mentions=NOBODY)


async def _follow_up(interaction: Interaction, text: str) -> None:
    """Say something to the person alone, beside the answer."""
    async with asyncio.timeout(CALL_TIMEOUT_S):
        await interaction.followup.send(plain(text), ephemeral=True, allowed_mentions=NOBODY)


async def _replace(interaction: Interaction, text: str, ref: Ref) -> None:
    """Say something in place of "thinking"; to the person alone, also where that shows to everyone."""
    if ref.ephemeral:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await interaction.edit_original_response(content=plain(text), allowed_mentions=NOBODY)
        return
    if ref.message_id:
        # First, for Discord would put the text of the next message into this one, where everybody reads it.
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await interaction.delete_original_response()
    await _follow_up(interaction, text)
