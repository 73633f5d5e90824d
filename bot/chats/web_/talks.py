"""The open pages and the one person behind them: messages and presses become commands for the desk.

Knows nothing of Gradio. Everyone who reaches the loopback page is the host's own local person.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.chats.contract import Desk
from bot.chats.web_.card import CardView
from bot.chats.web_.conversation import Conversation
from bot.commands import buttons, grammar
from bot.commands.values import Command, Draw, LoraWish, Ratio
from bot.desk.outcomes import Address, LoraCard, PictureFile, Platform, Visit
from bot.errors import SugarbotError
from bot.words import locale_of

LOCAL_PERSON = "local"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the controls beside the text box say; the text itself goes before them.

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
    """All open pages.

    Args:
        card: Reads the card and its queue; called about once a second for each page, must not block.
    """

    def __init__(self, desk: Desk, card: Callable[[], CardView]) -> None:
        self._desk = desk
        self._open: dict[str, Conversation] = {}
        self.card = card

    def open(self, session: str, languages: str) -> Conversation:
        """The page of this browser session; a new one speaks the first of the browser's languages we know."""
        if session not in self._open:
            self._open[session] = Conversation(session, language_of(languages))
        return self._open[session]

    def find(self, session: str) -> Conversation | None:
        """The page of this session if it is still open."""
        return self._open.get(session)

    def close(self, session: str) -> None:
        """The page was left; its jobs go on and are found with /mine."""
        if talk := self._open.pop(session, None):
            talk.release()

    def close_all(self) -> None:
        """Let every page go."""
        for session in tuple(self._open):
            self.close(session)

    def picture(self, session: str, job_id: str, index: int) -> PictureFile | None:
        """A picture that an open page shows, or None."""
        talk = self.find(session)
        return talk.picture(job_id, index) if talk else None

    def loras(self, locale: str) -> tuple[LoraCard, ...]:
        """The shelf, as far as a list shows it."""
        return self._desk.suggest_loras("", locale)

    async def say(self, talk: Conversation, text: str, wishes: Wishes) -> None:
        """Put a message through the desk; its answer joins the conversation. Where it is empty, alone."""
        if text.strip():
            talk.say(text)
        await self._ask(talk, lambda: wishes.join(grammar.parse(text)))

    async def press(self, talk: Conversation, data: str) -> None:
        """A button of an answer was pressed."""
        await self._ask(talk, lambda: buttons.press_of(data))

    async def _ask(self, talk: Conversation, understand: Callable[[], Command]) -> None:
        event_id = secrets.token_hex(12)
        visit = Visit(
            platform=Platform.WEB,
            event_id=event_id,
            user_id=LOCAL_PERSON,
            address=Address(Platform.WEB, talk.chat_id),
            locale=talk.locale,
            is_chat_admin=True,
        )
        try:
            talk.answer(await self._desk.handle(understand(), visit))
        except SugarbotError as error:
            talk.answer(error)
        except Exception:
            log.exception("web message failed", event_id=event_id)
            talk.answer(SugarbotError())


def language_of(accept_language: str) -> str:
    """The first language of an ``Accept-Language`` header, as ``en`` or ``zh-CN``."""
    first = accept_language.split(",", 1)[0].split(";", 1)[0].strip()
    return locale_of(first)
