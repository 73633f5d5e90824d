"""Answers interactions: each is parsed, stored, acknowledged within 3 s, handled, answered and settled.

* A command that the parser refuses gets its refusal as the first response, for the person alone.
* Every other interaction is stored before it is acknowledged and settled after it is answered, so a crash
  leaves no "thinking…" on the screen. If the disk accepts nothing, the interaction is refused instead.
* An interaction that cannot be acknowledged is not accepted and not charged: Discord has shown an error.
* If a stop lasted longer than the token, the answer is an ordinary message.
* A form is itself the acknowledgement. It is made within two seconds or refused, and nothing is stored.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.incoming import forms, parsing
from bot.chats.discord_.incoming.acknowledgement import ACK_TIMEOUT_S, acknowledge, acknowledge_press
from bot.chats.discord_.incoming.event_kinds import CHANGE_THEIR_MESSAGE
from bot.chats.discord_.incoming.forms import Form, SentForm
from bot.chats.discord_.incoming.in_progress import AnswersInProgress
from bot.chats.discord_.incoming.inbox import EventInbox
from bot.chats.discord_.incoming.message_menus import MessageMenu
from bot.chats.discord_.incoming.parsing import PersonLocales, context_of, locale_of
from bot.chats.discord_.incoming.suggestions import suggest_values
from bot.chats.discord_.library_internals import Interaction
from bot.chats.discord_.outgoing.address import AnswerAddress, AnswerState
from bot.chats.discord_.outgoing.delivery import AnswerDelivery
from bot.chats.discord_.outgoing.layout import (
    CALL_TIMEOUT_S,
    progress_view,
    text_view,
)
from bot.chats.discord_.outgoing.placeholders import Placeholders
from bot.chats.discord_.outgoing.sender import NETWORK_ERRORS, NO_MENTIONS, as_plain_text
from bot.chats.second_press import SecondPress
from bot.commands.table import CommandEntry, Option
from bot.commands.values import LONG_COMMANDS, Command, Delete, Edit, Help
from bot.errors import CannotSave, PersonError
from bot.outcomes import (
    CancelAccepted,
    CommandContext,
    Deleted,
    EditableText,
    Outcome,
    Published,
    Receipt,
)

log = structlog.get_logger()
SHOW_WORK_EVERY_S = 4.0  # edits of one answer are limited to five in five seconds
FORM_TIMEOUT_S = 2.0  # of these three seconds, for what a form shows
PRESS_ACKNOWLEDGED = discord.InteractionResponseType.deferred_message_update


class InteractionHandler:
    """Answers the slash commands and buttons of one connection."""

    def __init__(
        self,
        desk: Desk,
        placeholders: Placeholders,
        delivery: AnswerDelivery,
        inbox: EventInbox,
        locales: PersonLocales,
        clock: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._placeholders = placeholders
        self._delivery = delivery
        self._inbox = inbox
        self._locales = locales
        self._clock = clock
        self._second_press = SecondPress()
        self.answers = AnswersInProgress()

    async def run_command(
        self, interaction: Interaction, entry: CommandEntry, options: Mapping[str, object]
    ) -> None:
        """Answer a slash command; ``options`` has only the options that the person gave."""
        await self._handle(interaction, lambda: parsing.parse_slash_or_form(entry, options, interaction))

    async def run_menu(self, interaction: Interaction, menu: MessageMenu) -> None:
        """Answer an entry of the context menu of a message."""
        await self._handle(interaction, lambda: parsing.parse_menu(interaction, menu))

    async def run_press(self, interaction: Interaction) -> None:
        """Answer a button, a list or a sent form; the bot knows only its present ones."""
        await self._handle(interaction, lambda: self._parse_press(interaction))

    def _parse_press(self, interaction: Interaction) -> Command | SentForm:
        pressed = parsing.parse_press(interaction)
        if isinstance(pressed, Delete):
            return self._second_press.mark(pressed, str(interaction.user.id), time.monotonic())
        return pressed

    async def refuse_unknown(self, interaction: Interaction) -> None:
        """Answer that the command does not exist."""
        if interaction.type is discord.InteractionType.application_command:
            await self._handle(interaction, lambda: parsing.parse_unknown(interaction))

    def suggest(self, option: Option, typed: str, interaction: Interaction) -> Sequence[tuple[str, str]]:
        """(label, value) pairs that match the typed text; from memory, at once."""
        return suggest_values(self._desk, option, typed, interaction)

    async def _handle(self, interaction: Interaction, parse: Callable[[], Command | SentForm | Form]) -> None:
        """The supervision point: an error in one interaction does not affect the others."""
        if task := asyncio.current_task():
            self.answers.add(task)
        try:
            self._locales.remember(str(interaction.user.id), locale_of(interaction))
            parsing.speak(self._desk, interaction)
            await self._parse_and_answer(interaction, parse)
        except NETWORK_ERRORS as error:  # a stored interaction is answered after the next start
            log.warning("answer not sent", interaction_id=interaction.id, error=type(error).__name__)
        except Exception as error:  # the supervision point: logged with its ids, the person gets an apology
            log.exception("interaction failed", interaction_id=interaction.id, guild_id=interaction.guild_id)
            await _apologise(interaction, error)
            await self._inbox.settle(str(interaction.id))

    async def _parse_and_answer(
        self, interaction: Interaction, parse: Callable[[], Command | SentForm | Form]
    ) -> None:
        try:
            asked = parse()
            if isinstance(asked, Edit):
                asked = await self._edit_form(interaction, asked)
        except PersonError as error:
            self._inbox.take_payload(str(interaction.id))
            await _refuse(interaction, error)
            return
        if isinstance(asked, Form):
            self._inbox.take_payload(str(interaction.id))
            await _show_form(interaction, asked)
        elif isinstance(asked, SentForm):
            await self._store_and_answer(interaction, asked.command, is_private=asked.is_private)
        else:
            is_private = parsing.is_private_answer(self._desk, asked, interaction)
            await self._store_and_answer(interaction, asked, is_private=is_private)

    async def _edit_form(self, interaction: Interaction, command: Edit) -> Form:
        """The form with the text of a job."""
        address = parsing.address_of(interaction, is_private=True)
        try:
            async with asyncio.timeout(FORM_TIMEOUT_S):
                outcome = await self._desk.handle(command, context_of(interaction, address))
        except TimeoutError as error:
            raise CannotSave(detail=f"no answer within {FORM_TIMEOUT_S:g} s") from error
        if not isinstance(outcome, EditableText):
            raise TypeError(f"the desk answered an edit with {type(outcome).__name__}")
        return forms.edit_form(outcome, locale_of(interaction))

    async def _store_and_answer(
        self, interaction: Interaction, command: Command, *, is_private: bool
    ) -> None:
        event_id = str(interaction.id)
        try:
            await self._inbox.store(event_id)
        except CannotSave as error:
            if not isinstance(command, Help):  # help needs no disk
                await _refuse(interaction, error)
                return
        address = parsing.address_of(interaction, is_private=is_private)
        if address.state_at(self._clock()) is AnswerState.CLOSED:  # the bot was stopped for too long
            await self._answer_late(interaction, command, address)
        elif (
            isinstance(command, CHANGE_THEIR_MESSAGE)
            and interaction.type is discord.InteractionType.component
        ):
            await self._answer_in_place(interaction, command, address)
        else:
            await self._answer_in_response(interaction, command, address)
        await self._inbox.settle(event_id)

    async def _answer_in_response(
        self, interaction: Interaction, command: Command, address: AnswerAddress
    ) -> None:
        """Show "thinking…", then the answer in its place."""
        message_id = await acknowledge(interaction, is_private=address.is_private)
        if message_id is None:
            return
        address = parsing.address_of(interaction, is_private=address.is_private, message_id=message_id)
        context = self._context_of(interaction, address)
        locale = context.locale
        try:
            outcome = await self._handle_visibly(interaction, command, context)
        except PersonError as error:
            is_gone = not message_id
            await _replace_response(interaction, error, is_private=address.is_private, is_gone=is_gone)
            return
        if isinstance(outcome, Published) and outcome.is_here:
            return  # the pictures take the place of "thinking…"
        if not isinstance(outcome, Receipt):
            await self._delivery.show_outcome(outcome, address, locale, str(interaction.id))
        elif message_id:
            await self._placeholders.show_receipt(replace(outcome, repeated=False), address, locale)

    def _context_of(self, interaction: Interaction, address: AnswerAddress) -> CommandContext:
        """Who asks, and where, in the language of those who read the answer; a refusal has its person's."""
        context = context_of(interaction, address)
        return replace(context, locale=self._desk.locale_of(context))

    async def _handle_visibly(
        self, interaction: Interaction, command: Command, context: CommandContext
    ) -> Outcome:
        """Let the desk carry out a command; while that takes long, show how far it is, if the desk knows."""
        shown = ""
        if not isinstance(command, LONG_COMMANDS):
            return await self._desk.handle(command, context)
        calling = asyncio.create_task(
            self._desk.handle(command, context), name=f"discord desk {interaction.id}"
        )
        try:
            while not (await asyncio.wait({calling}, timeout=SHOW_WORK_EVERY_S))[0]:
                progress = self._desk.progress_of(context)
                text = messages.working_on_it(context.locale, progress)
                if progress is None or text == shown:
                    continue
                with contextlib.suppress(*NETWORK_ERRORS):
                    async with asyncio.timeout(CALL_TIMEOUT_S):
                        view = progress_view(as_plain_text(text))
                        await interaction.edit_original_response(view=view, allowed_mentions=NO_MENTIONS)
                shown = text
            return await calling
        finally:
            calling.cancel()

    async def _answer_in_place(
        self, interaction: Interaction, command: Command, address: AnswerAddress
    ) -> None:
        """Answer a press in its own message; only a refusal is a message of its own."""
        if not await acknowledge_press(interaction):
            return
        try:
            outcome = await self._desk.handle(command, context_of(interaction, address))
        except PersonError as error:
            await _follow_up(interaction, _explain(error, interaction))
            self._second_press.note_shown(error, str(interaction.user.id), time.monotonic())
            return
        locale, message_id = locale_of(interaction), interaction.message.id if interaction.message else 0
        match outcome:
            case CancelAccepted():
                self._placeholders.show_stopping(outcome)
            case Deleted(job_id=job_id):
                await _delete_pressed(interaction)
                left = (await self._desk.delete_messages(job_id)).without(str(message_id))
                await _follow_up(interaction, messages.format_outcome(replace(outcome, left=left), locale))
            case _:
                address = parsing.address_of(interaction, is_private=True, message_id=message_id)
                await self._delivery.show_outcome(outcome, address, locale, str(interaction.id))

    async def _answer_late(self, interaction: Interaction, command: Command, address: AnswerAddress) -> None:
        """Answer by a message, because the token has expired; directly if only the person may see it."""
        context, event_id = self._context_of(interaction, address), str(interaction.id)
        locale = context.locale
        log.info("interaction answered late", interaction_id=interaction.id)
        try:
            outcome = await self._desk.handle(command, context)
        except PersonError as error:
            private = replace(address, is_private=True)
            await self._delivery.answer(_explain(error, interaction), private, locale, event_id)
            return
        if isinstance(outcome, Published) and outcome.is_here:
            return
        if not isinstance(outcome, Receipt):
            await self._delivery.show_outcome(outcome, address, locale, event_id)
        elif outcome.address is None or not AnswerAddress.from_json(outcome.address.ref).is_message:
            await self._placeholders.show_receipt(replace(outcome, repeated=False), address, locale)


def _explain(error: Exception, interaction: Interaction) -> str:
    """The sentence of an error; for a sent form with its text, of which Discord keeps nothing."""
    locale = locale_of(interaction)
    text = messages.format_error(error, locale, times="discord")
    if interaction.type is discord.InteractionType.modal_submit:
        typed = forms.typed_in(interaction.data or {})
        return f"{text}\n{messages.you_wrote(typed, locale)}" if typed else text
    return text


async def _show_form(interaction: Interaction, form: Form) -> None:
    """Show the form as the response; if that is too late, Discord has shown an error and nothing was done."""
    async with asyncio.timeout(ACK_TIMEOUT_S):
        await interaction.response.send_modal(form)


async def _refuse(interaction: Interaction, error: Exception) -> None:
    """Explain the error to the person alone, as the first and only response."""
    text = as_plain_text(_explain(error, interaction))
    async with asyncio.timeout(ACK_TIMEOUT_S):
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def _delete_pressed(interaction: Interaction) -> None:
    """Delete the message whose button was pressed; only now, even a private one can be deleted."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await interaction.delete_original_response()
    except discord.NotFound:
        log.info("message already deleted", interaction_id=interaction.id)


async def _follow_up(interaction: Interaction, explanation: str) -> None:
    """Explain something to the person alone, in a message beside the response."""
    text = as_plain_text(explanation)
    async with asyncio.timeout(CALL_TIMEOUT_S):
        await interaction.followup.send(text, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def _replace_response(
    interaction: Interaction, error: Exception, *, is_private: bool, is_gone: bool
) -> None:
    """Explain the error in place of "thinking…", but to the person alone, even if "thinking…" is public."""
    if is_private:
        view = text_view(as_plain_text(_explain(error, interaction)))
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await interaction.edit_original_response(
                content=None, attachments=[], view=view, allowed_mentions=NO_MENTIONS
            )
        return
    if not is_gone:
        # First, because Discord would put the next text into the public response.
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await interaction.delete_original_response()
    await _follow_up(interaction, _explain(error, interaction))


async def _apologise(interaction: Interaction, error: Exception) -> None:
    is_done, response_type = interaction.response.is_done(), interaction.response.type
    try:
        if not is_done:
            await _refuse(interaction, error)
        elif response_type is PRESS_ACKNOWLEDGED:
            await _follow_up(interaction, _explain(error, interaction))
        else:
            await _replace_response(interaction, error, is_private=True, is_gone=False)
    except NETWORK_ERRORS as apology_error:
        log.warning("apology not sent", interaction_id=interaction.id, error=type(apology_error).__name__)
