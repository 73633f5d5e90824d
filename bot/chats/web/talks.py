"""The one person behind the page: messages and presses become commands for the desk.

Everyone who reaches the loopback page is the host's own local person.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.chats.contract import Desk
from bot.chats.web.conversation import Conversation
from bot.commands import buttons, grammar
from bot.commands.values import Command, Draw, LoraList, LoraWish, Mine, Ratio
from bot.errors import SugarbotError
from bot.messages import locale_of
from bot.outcomes import Address, CommandContext, History, LoraListing, LoraSummary, Platform

LOCAL_PERSON = "local"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the controls beside the text box say; the text itself has priority.

    Attributes:
        lora: Empty means: the chat's default.
        weight: Only with a LoRA.
    """

    lora: str = ""
    weight: float | None = None
    ratio: Ratio | None = None
    count: int = 1

    def join(self, command: Command) -> Command:
        """Fill what a draw command left unsaid."""
        if not isinstance(command, Draw):
            return command
        chosen = (LoraWish(self.lora, self.weight),) if self.lora else ()
        return replace(
            command,
            loras=command.loras or chosen,
            size=command.size or self.ratio,
            count=command.count if command.count > 1 else self.count,
        )


class Talks:
    """Asks the desk on behalf of conversations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def say(self, talk: Conversation, text: str, wishes: Wishes) -> None:
        """Send a message to the desk; it and its answer join the conversation, an empty one by its answer."""
        if text.strip():
            talk.say(text)
        await self._ask(talk, lambda: wishes.join(grammar.parse(text)))

    async def press(self, talk: Conversation, data: str) -> None:
        """Do what the button of an answer says."""
        await self._ask(talk, lambda: buttons.press_of(data))

    async def recall(self, talk: Conversation) -> None:
        """Begin a conversation of an earlier run with the person's newest jobs, if there are any."""
        try:
            newest = await self._desk.handle(Mine(), _visit(talk))
        except SugarbotError as error:
            log.info("history not shown", error=type(error).__name__)
        else:
            if isinstance(newest, History) and newest.entries and not talk.entries:
                talk.answer(newest)

    async def default_lora(self, talk: Conversation) -> LoraSummary | None:
        """The LoRA of pictures in this conversation where nobody names one; None for none.

        Raises:
            SugarbotError: The desk cannot say now.
        """
        match await self._desk.handle(LoraList(), _visit(talk)):
            case LoraListing(loras=loras, default=default):
                return next((card for card in loras if card.name == default), None)
            case _:
                return None

    def loras(self, locale: str) -> tuple[LoraSummary, ...]:
        """The LoRAs that the options of a picture offer."""
        return self._desk.suggest_loras("", locale)

    async def _ask(self, talk: Conversation, understand: Callable[[], Command]) -> None:
        context = _visit(talk)
        try:
            talk.answer(await self._desk.handle(understand(), context))
        except SugarbotError as error:
            talk.answer(error)
        except Exception:
            log.exception("web message failed", event_id=context.event_id)
            talk.answer(SugarbotError())


def _visit(talk: Conversation) -> CommandContext:
    return CommandContext(
        platform=Platform.WEB,
        event_id=secrets.token_hex(12),
        user_id=LOCAL_PERSON,
        address=Address(Platform.WEB, talk.chat_id),
        locale=talk.locale,
        is_chat_admin=True,
    )


def language_of(accept_language: str) -> str:
    """The first language of an ``Accept-Language`` header that we speak, as ``en`` or ``zh-CN``."""
    for wanted in accept_language.split(","):
        code = wanted.split(";", 1)[0].strip()
        if code.lower().split("-")[0] in ("en", "zh"):
            return locale_of(code)
    return locale_of(None)
