"""Inline mode: after the bot's name, a person finds their own pictures by words and posts one in any chat.

An inline query only reads, and each key sends a new one, so it is not stored: a lost one costs nothing.
Only the newest query of a person is answered. The list contains what Telegram has already as photos, without
private pictures. A posted picture shows no prompt, because its person posts the picture alone.
"""

import asyncio
from dataclasses import replace

import structlog
from telegram import Bot, InlineQuery, InlineQueryResultCachedPhoto, InlineQueryResultsButton, Update
from telegram.constants import InlineQueryLimit
from telegram.error import TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.event_table import RawEvent
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.uploads import PHOTO
from bot.errors import SugarbotError
from bot.outcomes import CommandContext, OwnPicture, Platform

ANSWER_TIMEOUT_S = 8.0  # Telegram waits about ten seconds
CACHE_S = 5  # a new picture appears soon, and Telegram answers a repeated query
MAX_RESULTS = int(InlineQueryLimit.RESULTS)
MAX_QUERIES = 8  # answered at the same time
TITLE_CHARS = 60
START_PAYLOAD = "inline"

log = structlog.get_logger(__name__)


class InlineQueries:
    """Answers inline queries in tasks of their own."""

    def __init__(self, bot: Bot, desk: Desk) -> None:
        self._bot = bot
        self._desk = desk
        self._slots = asyncio.Semaphore(MAX_QUERIES)
        self._by_person: dict[int, asyncio.Task[None]] = {}

    def start(self, raw: RawEvent) -> None:
        """Answer a raw ``inline_query`` update; an older query of the same person is given up."""
        try:
            query = Update.de_json(raw, None).inline_query
        except Exception:
            log.exception("inline query malformed", update_id=raw.get("update_id"))
            return
        if query is None or query.from_user.is_bot:
            return
        person = query.from_user.id
        if (older := self._by_person.get(person)) is not None:
            older.cancel()
        context = _context_of(query)
        context = replace(context, locale=self._desk.locale_of(context))
        task = asyncio.create_task(
            self._answer(query.id, query.query, query.offset, context), name=f"telegram inline {query.id}"
        )
        self._by_person[person] = task
        task.add_done_callback(lambda done: self._forget(person, done))

    def close(self) -> None:
        """Give up the queries that are being answered."""
        for task in self._by_person.values():
            task.cancel()

    def _forget(self, person: int, done: "asyncio.Task[None]") -> None:
        if self._by_person.get(person) is done:
            del self._by_person[person]

    async def _answer(self, query_id: str, words: str, offset: str, context: CommandContext) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S), self._slots:
                await self._answer_in_time(query_id, words, offset, context)
        except (TelegramError, TimeoutError) as error:
            log.info("inline query not answered", reason=repr(error))
        except Exception:
            # Supervision point: the next key asks again.
            log.exception("inline query failed")

    async def _answer_in_time(self, query_id: str, words: str, offset: str, context: CommandContext) -> None:
        page, skipped = _position_of(offset)
        try:
            found = await self._desk.find_own(words, context, PHOTO, page)
        except SugarbotError as error:
            log.info("inline query refused", error=type(error).__name__)
            found = ()
        shown = found[skipped : skipped + MAX_RESULTS]
        is_rest = skipped + MAX_RESULTS < len(found)
        following = f"{page}.{skipped + MAX_RESULTS}" if is_rest else f"{page + 1}.0"
        button = None
        if not shown and page == 1:
            label = messages.nothing_to_post(context.locale, is_search=bool(words.strip()))
            button = InlineQueryResultsButton(label, start_parameter=START_PAYLOAD)
        await self._bot.answer_inline_query(
            query_id,
            [_result_of(each, context.locale) for each in shown],
            cache_time=CACHE_S,
            is_personal=True,
            next_offset=following if shown else "",
            button=button,
        )


def _position_of(offset: str) -> tuple[int, int]:
    """Read the page and how many of its pictures were shown, as ``next_offset`` says; else the beginning."""
    page, _, skipped = offset.partition(".")
    if page.isdecimal() and skipped.isdecimal() and len(offset) <= InlineQueryLimit.MAX_OFFSET_LENGTH:
        return max(1, int(page)), int(skipped)
    return 1, 0


def _result_of(picture: OwnPicture, locale: str) -> InlineQueryResultCachedPhoto:
    return InlineQueryResultCachedPhoto(
        id=f"{picture.job_id}:{picture.index}",
        photo_file_id=picture.file_id,
        title=messages.shorten(picture.typed, TITLE_CHARS),
        caption=messages.ai_mark(locale),
    )


def _context_of(query: InlineQuery) -> CommandContext:
    sender = query.from_user
    return CommandContext(
        platform=Platform.TELEGRAM,
        event_id=f"inline {query.id}",
        user_id=str(sender.id),
        address=ChatAddress(sender.id).to_address(),
        locale=messages.locale_of(sender.language_code or ""),
        user_name=sender.full_name,
    )
