"""Edits placeholders with the newest status of their jobs, as soon as the rate limits allow it."""

import asyncio
import time
from dataclasses import dataclass

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.keyboards import cancel_keyboard
from bot.chats.telegram_.rate_limiter import RateLimiter, RequestPriority, retry_after_s
from bot.outcomes import Status

EDIT_TIMEOUT_S = 10.0
ACTION_GAP_S = 5.0  # Telegram shows a chat action for five seconds at most

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
