"""Brings ended jobs to their people, and shows how far the waiting ones are.

A parcel goes by the first way that is open: editing the answer, an ordinary message in the channel, a direct
message. Each can be repeated without showing it twice: an edit as such, a message by its nonce, the job id.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import aiohttp
import discord
import structlog

from bot import words
from bot.chats.contract import Desk
from bot.chats.discord_ import letters
from bot.chats.discord_.address import DEFAULT_FILE_BYTES, Ref
from bot.chats.discord_.enclose import REQUEST_BYTES, Enclosure, enclose
from bot.chats.discord_.letters import Letter, plain
from bot.chats.discord_.pace import Pace
from bot.commands.values import Cancel, Reroll
from bot.desk.outcomes import (
    Address,
    History,
    Outcome,
    Parcel,
    PictureFile,
    Receipt,
    Status,
    Undeliverable,
)

log = structlog.get_logger()
CLOSED = frozenset({403, 404})  # the bot may not, or the message, channel or person is gone
ANSWER_CLOSED = CLOSED | {401}  # an interaction's token is spent; elsewhere 401 means the bot's own token
UNREACHED = (discord.HTTPException, aiohttp.ClientError, TimeoutError)
STATUS_TIMEOUT_S = 10.0  # a parcel waits for a status that is on its way, no longer than this
MAX_ENCLOSURES = 10  # Discord's limit for files of one message
ALT_CHARS = 400  # enough to hear what the picture shows; Discord takes 1024


class Delivery:
    """The way out of one Discord connection."""

    def __init__(self, client: discord.Client, desk: Desk, pace: Pace) -> None:
        self._client = client
        self._desk = desk
        self._pace = pace

    def show_receipt(self, receipt: Receipt, ref: Ref, locale: str) -> None:
        """Say that the job is accepted, with a button to cancel it."""
        self._offer(receipt.job_id, ref, words.say(receipt, locale), locale)

    def show(self, status: Status) -> None:
        """Say where the job stands, as soon as the pace allows."""
        ref = Ref.read(status.address.ref)
        self._offer(status.job_id, ref, words.status(status, status.locale), status.locale)

    async def show_outcome(self, outcome: Outcome, ref: Ref, locale: str) -> None:
        """Say what came of a command; with a person's history come the first pictures of each job."""
        entries = outcome.entries[:MAX_ENCLOSURES] if isinstance(outcome, History) else ()
        share_bytes = min(ref.file_bytes, REQUEST_BYTES // max(1, len(entries)))
        enclosures: list[Enclosure] = []
        for entry in entries:
            prompt = entry.recipe.prompt
            enclosures += await _enclosed(entry.job_id, entry.pictures[:1], prompt, share_bytes)
        letter = Letter(plain(words.say(outcome, locale)), tuple(enclosures))
        await letters.edit(self._client, ref, letter)

    async def deliver(self, parcel: Parcel) -> None:
        """Bring the parcel by the first way that is open.

        Raises:
            Undeliverable: No way is open, and none will be.
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; try again later.
        """
        await self._pace.end(parcel.job_id)
        ref = Ref.read(parcel.address.ref)
        if ref.is_editable(_now_ms()):
            letter = await self._letter(parcel, ref.file_bytes)
            closed = CLOSED if ref.posted else ANSWER_CLOSED
            if await self._try(letters.edit(self._client, ref, letter), parcel, "edit", closed):
                return
        letter = await self._letter(parcel, DEFAULT_FILE_BYTES)
        is_secret = ref.ephemeral or parcel.private
        if ref.channel_id and not is_secret and await self._post(ref.channel_id, ref, letter, parcel):
            return
        if not await self._write_directly(ref, letter, parcel):
            raise Undeliverable(f"job {parcel.job_id}: neither its channel nor its person takes messages")

    def _offer(self, job_id: str, ref: Ref, text: str, locale: str) -> None:
        async def edit() -> bool:
            if not ref.is_editable(_now_ms()):
                return False
            letter = Letter(plain(text), button=Cancel(job_id), locale=locale)
            try:
                async with asyncio.timeout(STATUS_TIMEOUT_S):
                    await letters.edit(self._client, ref, letter)
            except UNREACHED as error:
                log.debug("status not shown", job_id=job_id, error=_short(error))
                return getattr(error, "status", 0) not in ANSWER_CLOSED
            return True

        self._pace.offer(job_id, edit)

    async def _letter(self, parcel: Parcel, file_bytes: int) -> Letter:
        enclosures = await _enclosed(parcel.job_id, parcel.pictures, parcel.recipe.prompt, file_bytes)
        text = plain(words.parcel(parcel, parcel.locale))
        return Letter(text, enclosures, Reroll(parcel.job_id), parcel.locale)

    async def _post(self, channel_id: int, ref: Ref, letter: Letter, parcel: Parcel) -> bool:
        """Send an ordinary message and note where it is, so that the next try edits it."""
        posting = letters.post(self._client, channel_id, ref.user_id, letter, nonce=parcel.job_id)
        message_id = await self._try(posting, parcel, "post")
        if not message_id:
            return False
        there = replace(ref, channel_id=channel_id, message_id=message_id, posted=True, token="")
        address = Address(parcel.address.platform, parcel.address.chat_id, there.write())
        await self._desk.moved(parcel.job_id, address)
        return True

    async def _write_directly(self, ref: Ref, letter: Letter, parcel: Parcel) -> bool:
        channel_id = await self._try(letters.direct_channel(self._client, ref.user_id), parcel, "direct")
        return bool(channel_id) and await self._post(channel_id, ref, letter, parcel)

    async def _try(
        self, sending: Awaitable[int], parcel: Parcel, way: str, closed: frozenset[int] = CLOSED
    ) -> int:
        """The id that the sending returned; 0 when this way is closed for good."""
        try:
            return await sending
        except discord.HTTPException as error:
            if error.status not in closed:
                raise
            log.info("way closed", way=way, job_id=parcel.job_id, error=_short(error))
            return 0


async def _enclosed(
    job_id: str, pictures: Sequence[PictureFile], prompt: str, file_bytes: int
) -> tuple[Enclosure, ...]:
    alt = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())[:ALT_CHARS]
    return await asyncio.to_thread(enclose, job_id, pictures, alt, file_bytes)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _short(error: BaseException) -> str:
    """The error without what was sent; a library's own message may repeat people's text."""
    status, code = getattr(error, "status", ""), getattr(error, "code", "")
    return f"{type(error).__name__} {status} {code}".strip()
