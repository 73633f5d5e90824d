"""Brings ended jobs to their people, and shows how far the waiting ones are.

A result goes by the first way that is open: editing the answer, an ordinary message in the channel, a direct
message. Each can be repeated without showing it twice: an edit as such, a message by its nonce, the job id.

Discord lets an answer be edited for 15 minutes. One that still waits after twelve goes on as an ordinary
message of the bot, or says that it cannot; so nobody watches a number that stands still. A result that comes
later goes the same way, for that message may stand already and only the news of it be lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import aiohttp
import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_ import letters
from bot.chats.discord_.address import DEFAULT_FILE_BYTES, MOVE_ON_MS, Ref
from bot.chats.discord_.enclose import REQUEST_BYTES, Enclosure, enclose
from bot.chats.discord_.letters import Letter, plain
from bot.chats.discord_.limits import Refusals
from bot.chats.discord_.pace import Pace
from bot.commands.values import Cancel, Reroll
from bot.outcomes import (
    Address,
    CancelAsked,
    History,
    JobResult,
    Outcome,
    PictureFile,
    Platform,
    Receipt,
    Status,
    Undeliverable,
)

log = structlog.get_logger()
CLOSED = frozenset({403, 404})  # the bot may not, or the message, channel or person is gone
ANSWER_CLOSED = CLOSED | {401}  # an interaction's token is spent; elsewhere 401 means the bot's own token
UNREACHED = (discord.HTTPException, aiohttp.ClientError, TimeoutError)
STATUS_TIMEOUT_S = 10.0  # a result waits for a status that is on its way, no longer than this
MAX_ENCLOSURES = 10  # Discord's limit for files of one message
ALT_CHARS = 400  # enough to hear what the picture shows; Discord takes 1024
LOOK_EVERY_S = 5.0  # for answers that should go on elsewhere; they have two minutes


@dataclass(frozen=True, slots=True)
class _News:
    """What was last said of a job that waits, and where."""

    address: Address
    ref: Ref
    text: str
    locale: str


class Delivery:
    """The way out of one Discord connection.

    Args:
        refusals: Holds deliveries back while Discord refuses too much.
        clock: UTC milliseconds.
    """

    def __init__(
        self, client: discord.Client, desk: Desk, pace: Pace, refusals: Refusals, clock: Callable[[], int]
    ) -> None:
        self._client = client
        self._desk = desk
        self._pace = pace
        self._refusals = refusals
        self._clock = clock
        self._waiting: dict[str, _News] = {}

    async def show_receipt(self, receipt: Receipt, ref: Ref, locale: str) -> None:
        """Say that the job is accepted, with a button to cancel it, and where it ends if not here.

        Returns when it was said, or when something newer may have been: the job says how it goes on.
        """
        text = messages.say(receipt, locale, times="discord")
        most_s = receipt.wait.most_s if receipt.wait else 0
        if ref.posted and ref.may_post and not ref.may_attach:
            text = f"{text}\n{messages.comes_directly(locale)}"
        elif not (ref.posted or ref.can_be_posted) and most_s * 1_000 > MOVE_ON_MS:
            text = f"{text}\n{messages.ends_elsewhere(locale)}"
        address = Address(Platform.DISCORD, str(ref.channel_id or ""), ref.write())
        self._offer(receipt.job_id, _News(address, ref, text, locale))
        await self._pace.made(receipt.job_id)

    def show_stopping(self, asked: CancelAsked) -> None:
        """Let the answer of a job that is drawn say that it stops after its current step."""
        known = self._waiting.get(asked.job_id)
        if known is not None and asked.was_running:
            self._offer(asked.job_id, replace(known, text=messages.say(asked, known.locale)))

    def show(self, status: Status) -> None:
        """Say where the job stands, as soon as the pace allows."""
        ref, text = Ref.read(status.address.ref), messages.status(status, status.locale)
        self._offer(status.job_id, _News(status.address, ref, text, status.locale))

    async def move_on(self) -> None:
        """Let answers that Discord will soon close go on elsewhere and say so, until cancelled."""
        while True:
            for job_id, news in tuple(self._waiting.items()):
                now_ms = self._clock()
                if news.ref.moves_on_ms(now_ms) <= 0 or news.ref.left_behind(now_ms):
                    self._offer(job_id, news)
            await asyncio.sleep(LOOK_EVERY_S)

    async def show_outcome(self, outcome: Outcome, ref: Ref, locale: str, event_id: str) -> None:
        """Say what came of a command; with a person's history come the first pictures of each job.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; nobody read it.
        """
        entries = outcome.entries[:MAX_ENCLOSURES] if isinstance(outcome, History) else ()
        share_bytes = min(ref.file_bytes, REQUEST_BYTES // max(1, len(entries)))
        enclosures: list[Enclosure] = []
        for entry in entries:
            prompt = entry.recipe.prompt
            enclosures += await _enclosed(entry.job_id, entry.pictures[:1], prompt, share_bytes)
        await self.answer(messages.say(outcome, locale, times="discord"), ref, locale, event_id, enclosures)

    async def answer(
        self, text: str, ref: Ref, locale: str, event_id: str, enclosures: Sequence[Enclosure] = ()
    ) -> None:
        """Say something to who asked, by the first way that is open: here, in the channel, directly.

        The id of the question is the nonce that makes a second answer show once.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; nobody read it.
        """
        letter, gone = Letter(plain(text), tuple(enclosures)), replace(ref, message_id=0, token="")
        if ref.is_editable(self._clock()):
            closed = CLOSED if ref.posted else ANSWER_CLOSED
            if await self._try(letters.edit(self._client, ref, letter), event_id, "edit", closed):
                return
        if ref.can_be_posted and await self._send(gone, letter, event_id):
            return
        if ref.posted:
            letter = replace(letter, text=plain(f"{messages.answered_directly(locale)}\n{text}"))
        if not await self._send_directly(gone, letter, event_id):
            log.warning("answer closed", event_id=event_id)

    async def deliver(self, result: JobResult) -> None:
        """Bring the result by the first way that is open.

        Raises:
            Undeliverable: No way is open, and none will be.
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; try again later.
        """
        await self._pace.end(result.job_id)
        self._refusals.require_few()
        ref = _ref_of(result)
        last = self._waiting.pop(result.job_id, None)
        if last is not None and last.ref.posted:  # it moved while the result was made
            ref = last.ref
        is_secret = ref.ephemeral or result.private
        goes_directly = ref.posted and not ref.may_attach and bool(result.pictures)
        is_open = ref.posted or ref.is_editable(self._clock())
        if is_open and ref.moves_on_ms(self._clock()) <= 0 and ref.can_be_posted and not is_secret:
            ref = await self._go_on(ref, result)
        if ref.is_editable(self._clock()) and not goes_directly:
            # First, for a try whose success nobody heard of may have left the pictures in the answer.
            await self._point(result.job_id, ref, result.locale)
            letter = await self._letter(result, ref.file_bytes)
            closed = CLOSED if ref.posted else ANSWER_CLOSED
            if await self._try(letters.edit(self._client, ref, letter), result.job_id, "edit", closed):
                return
        letter = await self._letter(result, DEFAULT_FILE_BYTES)
        gone = replace(ref, message_id=0, token="")
        is_postable = bool(ref.channel_id) and not (is_secret or goes_directly)
        if is_postable and await self._post(gone, letter, result):
            return
        there = await self._send_directly(gone, letter, result.job_id)
        if ref.posted and ref.message_id:
            left = messages.went_directly(result.locale) if there else messages.not_here(result.locale)
            await self._try(letters.edit(self._client, ref, Letter(plain(left))), result.job_id, "point")
        if there is None:
            raise Undeliverable(f"job {result.job_id}: neither its channel nor its person takes messages")
        await self._desk.store_placeholder(result.job_id, replace(result.address, ref=there.write()))

    def _offer(self, job_id: str, news: _News) -> None:
        async def edit() -> bool:
            try:
                async with asyncio.timeout(STATUS_TIMEOUT_S):
                    return await self._say(job_id, self._waiting.get(job_id, news))
            except UNREACHED as error:
                log.debug("status not shown", job_id=job_id, error=_short(error))
                is_open = getattr(error, "status", 0) not in ANSWER_CLOSED
            if not is_open:
                self._waiting.pop(job_id, None)
            return is_open

        known = self._waiting.get(job_id)
        if known is not None and known.ref.posted:  # the news may have been read before it moved
            news = replace(news, address=known.address, ref=known.ref)
        if self._pace.offer(job_id, edit):
            self._waiting[job_id] = news

    async def _say(self, job_id: str, news: _News) -> bool:
        """Make the answer say its news; False when it can say no more."""
        ref, now_ms = news.ref, self._clock()
        letter = Letter(plain(news.text), button=Cancel(job_id), locale=news.locale)
        if ref.moves_on_ms(now_ms) > 0:
            await letters.edit(self._client, ref, letter)
            await self._point(job_id, ref, news.locale)
            return True
        there = await self._send(ref, letter, job_id) if ref.can_be_posted else None
        if there is None and ref.posted:
            text = plain(f"{messages.answered_directly(news.locale)}\n{news.text}")
            there = await self._send_directly(ref, replace(letter, text=text), job_id)
        if there is not None:
            address = replace(news.address, ref=there.write())
            newest = self._waiting.get(job_id, news)  # more may have come while it was sent
            self._waiting[job_id] = replace(newest, address=address, ref=there)
            await self._desk.store_placeholder(job_id, address)
            await self._point(job_id, there, news.locale)
            return True
        self._waiting.pop(job_id, None)
        if ref.is_editable(now_ms):
            last = f"{news.text}\n{messages.ends_elsewhere(news.locale)}"
            await letters.edit(self._client, ref, replace(letter, text=plain(last)))
        return False

    async def _point(self, job_id: str, ref: Ref, locale: str) -> None:
        """Let the answer that goes on as this message say so, if it does not yet and still can."""
        if answer := ref.left_behind(self._clock()):
            pointing = letters.edit(self._client, answer, Letter(plain(messages.goes_on_below(locale))))
            await self._try(pointing, job_id, "point", ANSWER_CLOSED)
            if news := self._waiting.get(job_id):
                self._waiting[job_id] = replace(news, ref=replace(news.ref, answer_id=0))

    async def _go_on(self, ref: Ref, result: JobResult) -> Ref:
        """Let the answer go on as a message, still without pictures, and return where it is now.

        A message that is sent again after Discord forgot its nonce shows twice; an edit that brings pictures
        never does.
        """
        text = plain(messages.caption_of(result, result.locale))
        letter = Letter(text, button=Reroll(result.job_id), locale=result.locale)
        return await self._post(ref, letter, result) or ref

    async def _letter(self, result: JobResult, file_bytes: int) -> Letter:
        enclosures = await _enclosed(result.job_id, result.pictures, result.recipe.prompt, file_bytes)
        text = plain(messages.caption_of(result, result.locale))
        return Letter(text, enclosures, Reroll(result.job_id), result.locale)

    async def _post(self, ref: Ref, letter: Letter, result: JobResult) -> Ref | None:
        """Send an ordinary message and note where it is, so that the next try edits it."""
        there = await self._send(ref, letter, result.job_id)
        if there is not None:
            await self._desk.store_placeholder(result.job_id, replace(result.address, ref=there.write()))
        return there

    async def _send_directly(self, ref: Ref, letter: Letter, nonce: str) -> Ref | None:
        """Send a direct message to the person of ``ref``; None where they take none."""
        opening = letters.direct_channel(self._client, ref.user_id)
        channel_id = await self._try(opening, nonce, "direct")
        return await self._send(ref.as_direct(channel_id), letter, nonce) if channel_id else None

    async def _send(self, ref: Ref, letter: Letter, nonce: str) -> Ref | None:
        """Send an ordinary message to the channel of ``ref``; None where we may not."""
        posting = letters.post(self._client, ref, letter, nonce)
        message_id = await self._try(posting, nonce, "post")
        return ref.as_message(message_id) if message_id else None

    async def _try(
        self, sending: Awaitable[int], about: str, way: str, closed: frozenset[int] = CLOSED
    ) -> int:
        """The id that the sending returned; 0 when this way is closed for good.

        ``about`` is the job or event, for the log.
        """
        try:
            return await sending
        except discord.HTTPException as error:
            if error.status not in closed:
                raise
            log.info("way closed", way=way, about=about, error=_short(error))
            return 0


def _ref_of(result: JobResult) -> Ref:
    """Where the result goes; one that was kept for ``/mine`` names the channel alone."""
    if result.address.ref:
        return Ref.read(result.address.ref)
    channel_id, user_id = int(result.address.chat_id or 0), int(result.user_id)
    return Ref(0, "", 0, channel_id, 0, ephemeral=result.private, user_id=user_id)


async def _enclosed(
    job_id: str, pictures: Sequence[PictureFile], prompt: str, file_bytes: int
) -> tuple[Enclosure, ...]:
    alt = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())[:ALT_CHARS]
    return await asyncio.to_thread(enclose, job_id, pictures, alt, file_bytes)


def _short(error: BaseException) -> str:
    """The error without what was sent; a library's own message may repeat people's text."""
    status, code = getattr(error, "status", ""), getattr(error, "code", "")
    return f"{type(error).__name__} {status} {code}".strip()
