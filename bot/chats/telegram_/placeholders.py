"""Placeholder messages: edits with the progress of their jobs, and a registry of those being sent.

``PlaceholderEditor`` shows the newest status of each job as soon as the rate limits allow it, and skips older
ones. ``PlaceholderRegistry`` lets a result that is faster than its placeholder wait for it. Neither stores
anything: after a crash the desk's addresses are all that remains.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.controls import cancel_keyboard
from bot.chats.telegram_.rate_limiter import RateLimiter, RequestPriority, retry_after_s
from bot.outcomes import Status

EDIT_TIMEOUT_S = 10.0
ACTION_GAP_S = 5.0  # Telegram shows a chat action for five seconds at most
MAX_REMEMBERED_JOBS = 64  # beside those being sent; only jobs of the last moments are ever looked up

_MessageKey = tuple[int, int]  # chat id, message id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _EditInProgress:
    message: _MessageKey
    done: asyncio.Event


class PlaceholderEditor:
    """Edits placeholders in one background task."""

    def __init__(self, bot: Bot, rate_limiter: RateLimiter) -> None:
        self._bot = bot
        self._rate_limiter = rate_limiter
        self._pending: dict[_MessageKey, Status] = {}
        self._changed = asyncio.Event()
        self._in_progress: _EditInProgress | None = None
        self._action_sent_at_s: dict[int, float] = {}

    def queue(self, status: Status) -> None:
        """Show this status as soon as the limits allow it; it replaces an older one of the same message."""
        address = ChatAddress.parse(status.address)
        if address.message_id is None:
            return
        self._pending[address.chat_id, address.message_id] = status
        self._changed.set()

    async def stop_editing(self, address: ChatAddress) -> None:
        """Drop the pending edit of this placeholder and wait for a running one: the result comes next."""
        if address.message_id is None:
            return
        message = (address.chat_id, address.message_id)
        self._pending.pop(message, None)
        if self._in_progress is not None and self._in_progress.message == message:
            await self._in_progress.done.wait()
            self._pending.pop(message, None)  # an edit that met a flood limit is pending again

    async def run(self) -> None:
        """Edit placeholders until cancelled."""
        while True:
            self._changed.clear()
            waits = {
                message: self._rate_limiter.wait_s(message[0], RequestPriority.PROGRESS)
                for message in self._pending
            }
            message = min(waits, key=lambda each: waits[each], default=None)
            if message is not None and waits[message] <= 0:
                await self._edit(message, self._pending.pop(message))
                continue
            try:
                async with asyncio.timeout(None if message is None else waits[message]):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _edit(self, message: _MessageKey, status: Status) -> None:
        self._in_progress = _EditInProgress(message, asyncio.Event())
        self._rate_limiter.record_sent(message[0])
        try:
            async with asyncio.timeout(EDIT_TIMEOUT_S):
                await self._bot.edit_message_text(
                    messages.format_status(status, status.locale),
                    *message,
                    reply_markup=cancel_keyboard(status.job_id, status.locale),
                )
                await self._show_upload_action(message[0], status)
        except RetryAfter as error:
            self._rate_limiter.pause(message[0], retry_after_s(error))
            self._pending.setdefault(message, status)
        except BadRequest as error:
            if "not modified" not in error.message:
                log.info("status not shown", job_id=status.job_id, reason=error.message)
        except (TelegramError, TimeoutError) as error:
            log.info("status not shown", job_id=status.job_id, reason=repr(error))
        finally:
            self._in_progress.done.set()
            self._in_progress = None

    async def _show_upload_action(self, chat_id: int, status: Status) -> None:
        """Show "sending a photo" in a private chat while the card draws."""
        now_s = time.monotonic()
        is_drawing = status.position is None
        is_shown = now_s - self._action_sent_at_s.get(chat_id, -ACTION_GAP_S) < ACTION_GAP_S
        if chat_id < 0 or not is_drawing or is_shown:
            return
        self._action_sent_at_s = {
            each: at_s for each, at_s in self._action_sent_at_s.items() if now_s - at_s < ACTION_GAP_S
        }
        self._action_sent_at_s[chat_id] = now_s
        await self._bot.send_chat_action(chat_id, ChatAction.UPLOAD_PHOTO)


class PlaceholderRegistry:
    """Knows which placeholders are being sent, and the addresses of the last ones.

    A picture can be drawn faster than its placeholder is sent. While the desk has no message id for a job,
    delivery asks here and puts the picture on the placeholder instead of beside it. After a crash the
    opposite can happen: the result is being sent while the request for it is handled again. That request then
    needs no placeholder.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, asyncio.Future[ChatAddress | None]] = {}
        self._typed_cancels: dict[str, int] = {}

    @asynccontextmanager
    async def sending(self, job_id: str) -> AsyncIterator["asyncio.Future[ChatAddress | None]"]:
        """Mark the job's first message as being sent while the block runs.

        Yields:
            A future. The block sets it to the address of the message once it is sent.
        """
        self._addresses.pop(job_id, None)  # puts a second try at the end of the order
        finished = [each for each, address in self._addresses.items() if address.done()]
        for each in finished[: max(0, len(finished) + 1 - MAX_REMEMBERED_JOBS)]:
            del self._addresses[each]
        address = self._addresses[job_id] = asyncio.get_running_loop().create_future()
        try:
            yield address
        finally:
            if not address.done():
                address.set_result(None)  # it was not sent, or the desk has its address

    def is_being_sent(self, job_id: str) -> bool:
        """Whether a task is sending the job's first message."""
        address = self._addresses.get(job_id)
        return address is not None and not address.done()

    async def wait_for_placeholder(self, job_id: str, address: ChatAddress) -> ChatAddress:
        """Wait for a placeholder that is being sent.

        Returns:
            The address with the placeholder, or ``address`` unchanged if none is known here.
        """
        if address.message_id is not None or job_id not in self._addresses:
            return address
        return await asyncio.shield(self._addresses[job_id]) or address

    def record_typed_cancel(self, job_id: str, chat_id: int) -> None:
        """Remember that the answer to a typed ``/cancel`` in this chat already names the job."""
        self._typed_cancels[job_id] = chat_id
        for each in list(self._typed_cancels)[:-MAX_REMEMBERED_JOBS]:
            del self._typed_cancels[each]

    def was_cancelled_by_text(self, job_id: str, chat_id: int) -> bool:
        """Whether an answer in this chat already says that the job is cancelled."""
        return self._typed_cancels.get(job_id) == chat_id
