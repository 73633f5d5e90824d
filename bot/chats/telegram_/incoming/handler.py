"""Handles one update: parses it, makes its reply once, and sends the reply until it arrives.

An update is finished after its reply is sent, or when no reply can ever be sent. What a crash interrupts is
handled again after the next start. The desk then gives the same answer without doing the work twice, and a
job that was announced before is not announced again.
"""

import asyncio
import contextlib
import json
from dataclasses import replace

import structlog
from telegram import Bot
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.incoming.desk_calls import DeskCalls
from bot.chats.telegram_.incoming.event_kinds import UpdateKind
from bot.chats.telegram_.incoming.outcomes import OutcomeReplies
from bot.chats.telegram_.incoming.parsing import parse_update
from bot.chats.telegram_.incoming.press_replies import PressReplies
from bot.chats.telegram_.incoming.text_replies import TextReplies
from bot.chats.telegram_.incoming.updates import (
    BotAdded,
    ButtonPress,
    GroupMigrated,
    IgnoredUpdate,
    ParsedUpdate,
    RejectedMessage,
    TextMessage,
)
from bot.chats.telegram_.outgoing.placeholder_registry import PlaceholderRegistry
from bot.chats.telegram_.outgoing.reactions import RequestReactions
from bot.chats.telegram_.outgoing.reply import Reply
from bot.chats.telegram_.outgoing.sender import Sender
from bot.chats.telegram_.rate_limiter import retry_after_s
from bot.commands.grammar import parse
from bot.commands.values import LONG_COMMANDS
from bot.errors import PersonError
from bot.outcomes import Platform, Undeliverable
from engine.backoff import Backoff

RETRY_PAUSES_S = (1.0, 5.0, 20.0, 60.0)  # between tries to send a reply; the last one repeats …
MAX_TRIES = 1_440  # … for a day, as long as Telegram keeps an update

log = structlog.get_logger(__name__)


class UpdateHandler:
    """Turns updates into calls of the desk and replies."""

    def __init__(
        self,
        bot: Bot,
        sender: Sender,
        desk: Desk,
        registry: PlaceholderRegistry,
        reactions: RequestReactions,
    ) -> None:
        self._bot = bot
        self._desk = desk
        self._calls = calls = DeskCalls(bot, sender, desk)
        self._outcomes = OutcomeReplies(bot, sender, desk, calls, registry, reactions)
        self._texts = TextReplies(bot, sender, calls, self._outcomes, registry)
        self._presses = PressReplies(bot, sender, calls, self._outcomes)
        self._closing = asyncio.Event()
        self._long: set[asyncio.Task[None]] = set()  # commands that take minutes

    def close(self) -> None:
        """Stop retrying, and stop long commands: after the next start they are handled again."""
        self._closing.set()
        for task in self._long:
            task.cancel()
        self._calls.close()

    async def handle(self, event_id: str, payload: str, came_s: float) -> asyncio.Task[None] | None:
        """Answer one stored update, and finish it once its reply is sent or can never be sent.

        It came at ``came_s``, in seconds that never go back, and may have waited for other updates since.

        Returns:
            The task that answers a command that takes long: it must not delay its chat.
        """
        try:
            update = self._in_language(parse_update(json.loads(payload), self._bot.bot))
        except Exception:
            # Supervision point: a malformed update must not stop the others, and must not be retried.
            log.exception("event failed", event_id=event_id)
            await self._desk.finish_event(Platform.TELEGRAM, event_id)
            return None
        if isinstance(update, ButtonPress):
            update = replace(update, came_s=came_s)
        answering = self._answer_and_finish(event_id, update)
        if not (isinstance(update, TextMessage) and _takes_long(update)):
            await answering
            return None
        long = asyncio.create_task(answering, name=f"telegram long {event_id}")
        self._long.add(long)
        long.add_done_callback(self._long.discard)
        return long

    def _in_language(self, update: ParsedUpdate) -> ParsedUpdate:
        """Return the update with the language that its person, or a host of its chat, has chosen."""
        if isinstance(update, IgnoredUpdate | GroupMigrated):
            return update
        context = replace(update.context, locale=self._desk.locale_of(update.context))
        return replace(update, context=context)

    async def _answer_and_finish(self, event_id: str, update: ParsedUpdate) -> None:
        try:
            if isinstance(update, IgnoredUpdate):
                write = log.info if update.kind is UpdateKind.UNKNOWN else log.debug
                write("update ignored", event_id=event_id, kind=update.kind.name)
            elif not await self._answer(event_id, update):
                return
        except (Undeliverable, BadRequest) as error:
            log.warning("answer cannot be sent", event_id=event_id, reason=str(error))
        except Exception:
            # Supervision point: a fault in one update must not stop the others, and must not be retried.
            log.exception("event failed", event_id=event_id)
        await self._desk.finish_event(Platform.TELEGRAM, event_id)

    async def _answer(self, event_id: str, update: ParsedUpdate) -> bool:
        """Make the reply and send it, with retries while the network fails; False if ``close`` came first."""
        reply: Reply | None = None
        is_apology = False
        backoff = Backoff(RETRY_PAUSES_S)
        for _ in range(MAX_TRIES):
            try:
                reply = reply or await self._make_reply(update)
                await reply.send()
            except (Undeliverable, BadRequest):
                raise
            except (TelegramError, TimeoutError) as error:
                log.warning("answer delayed", event_id=event_id, reason=repr(error))
                pause_s = backoff.next_pause_s()
                if isinstance(error, RetryAfter):
                    pause_s = max(pause_s, retry_after_s(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._closing.wait()
                if self._closing.is_set():
                    return False
            except Exception as error:
                if is_apology:
                    raise
                # Supervision point: a fault of ours goes to the log, and the person gets an apology.
                log.exception("event failed", event_id=event_id)
                if reply is not None and reply.is_accepted:
                    return True  # the job runs; an apology would make the person ask, and pay, again
                reply, is_apology = self._make_apology(update, error), True
            else:
                return True
        raise Undeliverable("Telegram took no answer for a day")

    async def _make_reply(self, update: ParsedUpdate) -> Reply:
        """Call the desk and make the reply from its outcome.

        Raises:
            TelegramError, TimeoutError: Nothing was done; call again.
        """
        match update:
            case TextMessage():
                return await self._texts.reply(update)
            case ButtonPress():
                return await self._presses.reply(update)
            case RejectedMessage():
                return await self._texts.reject(update)
            case BotAdded():
                return await self._texts.greet(update)
            case GroupMigrated():
                old_id, new_id = str(update.old_chat_id), str(update.new_chat_id)
                await self._desk.migrate_chat(Platform.TELEGRAM, old_id, new_id)
        return Reply()

    def _make_apology(self, update: ParsedUpdate, error: Exception) -> Reply:
        """Say that an internal error happened."""
        if isinstance(update, GroupMigrated | IgnoredUpdate):
            return Reply()
        if isinstance(update, ButtonPress):
            return self._presses.apologise(update, error)
        text = messages.format_error(error, update.context.locale)
        return self._outcomes.show_text(update.address, text)


def _takes_long(update: TextMessage) -> bool:
    try:
        return isinstance(parse(update.text), LONG_COMMANDS)
    except PersonError:
        return False
