"""Turns messages and pressed buttons into commands for the desk.

Everyone who reaches the loopback page is the same local person. The context of each command says whether this
person has logged in as the operator, for the rule in ``bot.policy``.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.chats.contract import Desk
from bot.chats.web.conversation import Conversation
from bot.commands import buttons, grammar
from bot.commands.table import ENTRY_OF
from bot.commands.values import (
    LONG_COMMANDS,
    Command,
    Compare,
    Draft,
    Draw,
    EditProfile,
    EditSettings,
    LoraList,
    LoraWish,
    Mine,
    Ratio,
    ReadSettings,
    SentFile,
)
from bot.errors import SugarbotError
from bot.messages import locale_of
from bot.outcomes import (
    Address,
    CommandContext,
    Deleted,
    History,
    LoraListing,
    LoraSummary,
    Outcome,
    Platform,
)

LOCAL_PERSON = "local"
SHOW_WORK_EVERY_S = 1.5  # until a command that takes long is answered

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """The values of the controls beside the text box; the text itself has priority.

    Attributes:
        lora: Empty means the chat's default.
        weight: Counts only with a LoRA.
    """

    lora: str = ""
    weight: float | None = None
    ratio: Ratio | None = None
    count: int = 1

    def apply_to(self, command: Command) -> Command:
        """Add these options to a command that draws where it does not set them; a sheet has its own count."""
        chosen = (LoraWish(self.lora, self.weight),) if self.lora else ()
        if isinstance(command, Compare):
            return replace(command, loras=command.loras or chosen, size=command.size or self.ratio)
        if isinstance(command, Draft):
            return Draft(replace(self, count=1).of_draw(command.draw))
        return self.of_draw(command) if isinstance(command, Draw) else command

    def of_draw(self, command: Draw) -> Draw:
        """Add these options to a drawing where it does not set them."""
        chosen = (LoraWish(self.lora, self.weight),) if self.lora else ()
        return replace(
            command,
            loras=command.loras or chosen,
            size=command.size or self.ratio,
            count=command.count or (self.count if self.count > 1 else None),  # one leaves it to the settings
        )


class DeskClient:
    """Sends the commands of conversations to the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._long: set[asyncio.Task[None]] = set()  # commands that take minutes

    def close(self) -> None:
        """Stop the commands that still run."""
        for task in self._long:
            task.cancel()

    async def say(
        self,
        conversation: Conversation,
        text: str,
        options: DrawOptions,
        edits: str = "",
        *,
        is_operator: bool = False,
    ) -> None:
        """Handle a message; add it and its answer to the conversation, an empty one only as its answer.

        Args:
            conversation: Where it was written.
            text: What was written.
            options: The controls beside it.
            edits: The job whose text the person changed; empty for a text of their own.
            is_operator: The person has logged in as the operator.
        """
        context = _context(conversation, is_operator=is_operator)
        if text.strip():
            conversation.say(text, context.event_id)
        await self._handle(
            conversation, context, lambda: _edited(options.apply_to(grammar.parse(text)), edits)
        )

    async def press(self, conversation: Conversation, data: str, *, is_operator: bool = False) -> None:
        """Handle a pressed button."""
        context = _context(conversation, is_operator=is_operator)
        await self._handle(conversation, context, lambda: buttons.press_of(data))

    async def read_settings(self, conversation: Conversation, content: bytes) -> None:
        """Handle a picture file: answer with the settings in it."""

        async def read() -> bytes:
            return content

        conversation.say(f"/{ENTRY_OF[ReadSettings].name}")
        command = ReadSettings(SentFile("picture", len(content), read=read))
        await self._handle(conversation, _context(conversation), lambda: command)

    async def restore_history(self, conversation: Conversation) -> None:
        """Fill a conversation of an earlier run with the person's newest jobs."""
        try:
            newest = await self._desk.handle(Mine(), _context(conversation))
        except SugarbotError as error:
            log.info("history unavailable", error=type(error).__name__)
        else:
            if isinstance(newest, History) and newest.entries and not conversation.entries:
                conversation.answer(newest)

    def follow_settings(self, conversation: Conversation) -> None:
        """Let a conversation speak the language of the settings, else the one chosen on the page."""
        context = replace(_context(conversation), locale=conversation.chosen_locale)
        conversation.locale = self._desk.locale_of(context)

    async def default_lora(self, conversation: Conversation) -> LoraSummary | None:
        """The default LoRA of this conversation, or None.

        Raises:
            SugarbotError: The desk cannot answer now.
        """
        match await self._desk.handle(LoraList(), _context(conversation)):
            case LoraListing(loras=loras, default=default):
                return next((card for card in loras if card.name == default), None)
            case _:
                return None

    async def ask(self, conversation: Conversation, command: Command) -> Outcome:
        """Let the desk carry out a command of the operator, whose answer is no part of the conversation.

        Raises:
            SugarbotError: A refusal, or the desk cannot answer now.
        """
        return await self._desk.handle(command, _context(conversation, is_operator=True))

    def loras(self, conversation: Conversation) -> tuple[LoraSummary, ...]:
        """The LoRAs that the picture options offer."""
        return self._desk.suggest_loras("", _context(conversation))

    async def _handle(
        self, conversation: Conversation, context: CommandContext, parse_command: Callable[[], Command]
    ) -> None:
        try:
            command = parse_command()
        except SugarbotError as error:
            conversation.answer(error)
            return
        answering = self._answer(conversation, command, context)
        if isinstance(command, LONG_COMMANDS):  # the page's request must not wait for it
            task = asyncio.create_task(answering, name=f"web command {context.event_id}")
            self._long.add(task)
            task.add_done_callback(self._long.discard)
        else:
            await answering

    async def _answer(self, conversation: Conversation, command: Command, context: CommandContext) -> None:
        try:
            outcome = await self._handle_visibly(conversation, command, context)
        except SugarbotError as error:
            conversation.answer(error, context.event_id)
        except Exception:
            log.exception("web message failed", event_id=context.event_id)
            conversation.answer(SugarbotError(), context.event_id)
        else:
            if _sets_language(command):
                self.follow_settings(conversation)
            if isinstance(outcome, Deleted):
                outcome = replace(outcome, left=await self._desk.delete_messages(outcome.job_id))
            conversation.answer(outcome, context.event_id)

    async def _handle_visibly(
        self, conversation: Conversation, command: Command, context: CommandContext
    ) -> Outcome:
        """Let the desk carry out a command; while that takes long, show how far it is."""
        if not isinstance(command, LONG_COMMANDS):
            return await self._desk.handle(command, context)
        calling = asyncio.create_task(
            self._desk.handle(command, context), name=f"web desk {context.event_id}"
        )
        try:
            while not (await asyncio.wait({calling}, timeout=SHOW_WORK_EVERY_S))[0]:
                conversation.show_work(context.event_id, self._desk.progress_of(context))
            return await calling
        finally:
            calling.cancel()


def _edited(command: Command, job_id: str) -> Command:
    """Return a drawing with the job whose text it changes."""
    return replace(command, edited_from=job_id) if isinstance(command, Draw) and job_id else command


def _sets_language(command: Command) -> bool:
    return isinstance(command, EditSettings | EditProfile) and (
        command.language is not None or "language" in command.reset
    )


def _context(conversation: Conversation, *, is_operator: bool = False) -> CommandContext:
    return CommandContext(
        platform=Platform.WEB,
        event_id=secrets.token_hex(12),
        user_id=LOCAL_PERSON,
        address=Address(Platform.WEB, conversation.chat_id),
        locale=conversation.locale,
        is_operator=is_operator,
    )


def preferred_locale(accept_language: str) -> str:
    """The first supported language of an ``Accept-Language`` header, as ``en`` or ``zh-CN``."""
    for item in accept_language.split(","):
        code = item.split(";", 1)[0].strip()
        if code.lower().split("-")[0] in ("en", "zh"):
            return locale_of(code)
    return locale_of(None)
