"""Shows the progress of jobs: edits of their placeholders, and drafts in private chats.

Each message shows the newest status of its job as soon as the rate limits allow it. A group sees at most
``MAX_GROUP_EDITS`` edits of a job. A batch in a private chat shows its steps as a draft, which disappears
when its album arrives. A single picture arrives as an edit, which would leave the draft there for up to
30 seconds, so its steps are edits as well.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import Any

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.keyboards import keyboard_of
from bot.chats.telegram_.outgoing.texts import with_ticking_times
from bot.chats.telegram_.rate_limiter import RateLimiter, RequestPriority, retry_after_s
from bot.outcomes import Status, controls_of

EDIT_TIMEOUT_S = 10.0
ACTION_GAP_S = 5.0  # Telegram shows a chat action for five seconds at most
MAX_GROUP_EDITS = 6  # of one job, without its result
GROUP_EDITS_WHILE_DRAWING = 2  # of these, kept for the drawing
LEAST_GROUP_PROGRESS = 0.2  # of the drawing, from one edit in a group to the next
MAX_REMEMBERED = 256  # messages whose edits are counted, and chats without drafts

_MessageKey = tuple[int, int]  # chat id, message id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _EditInProgress:
    message: _MessageKey
    done: asyncio.Event


@dataclass(frozen=True, slots=True)
class _GroupEdits:
    """How often a message in a group was edited, and the share of the drawing that it shows."""

    count: int = 0
    share: float = -1.0


class PlaceholderEditor:
    """Edits placeholders in one background task."""

    def __init__(self, bot: Bot, rate_limiter: RateLimiter) -> None:
        self._bot = bot
        self._rate_limiter = rate_limiter
        self._pending: dict[_MessageKey, Status] = {}
        self._changed = asyncio.Event()
        self._in_progress: _EditInProgress | None = None
        self._action_sent_at_s: dict[int, float] = {}
        self._group_edits: dict[_MessageKey, _GroupEdits] = {}
        self._drafts: set[_MessageKey] = set()  # placeholders whose steps are a draft now
        self._without_drafts: dict[int, None] = {}  # chats where Telegram refused one

    def queue(self, status: Status) -> None:
        """Show this status as soon as the limits allow it; it replaces an older one of the same message."""
        address = ChatAddress.parse(status.address)
        if address.message_id is None:
            return
        message = (address.chat_id, address.message_id)
        if address.is_group and not self._is_worth_an_edit(message, status):
            return
        self._pending[message] = status
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

    async def end_draft(self, address: ChatAddress, text: str) -> None:
        """Let the job's draft say how the job ended; it stays for a while, unless a new message followed.

        Args:
            address: The placeholder.
            text: What the draft says from now on; empty if an album has replaced it.
        """
        message = (address.chat_id, address.message_id or 0)
        had_draft = message in self._drafts
        self._drafts.discard(message)
        if not had_draft or not text:
            return
        with contextlib.suppress(TelegramError, TimeoutError):
            async with asyncio.timeout(EDIT_TIMEOUT_S):
                await self._bot.send_message_draft(*message, text)

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
                await self._show(message, self._pending.pop(message))
                continue
            try:
                async with asyncio.timeout(None if message is None else waits[message]):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _show(self, message: _MessageKey, status: Status) -> None:
        self._in_progress = _EditInProgress(message, asyncio.Event())
        self._rate_limiter.record_sent(message[0])
        try:
            async with asyncio.timeout(EDIT_TIMEOUT_S):
                if not await self._show_as_draft(message, status):
                    await self._edit(message, status)
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

    async def _edit(self, message: _MessageKey, status: Status) -> None:
        if message[0] < 0:
            before = self._group_edits.pop(message, _GroupEdits())  # moves to the end of the order
            self._group_edits[message] = _GroupEdits(before.count + 1, _share_of(status))
            _forget_oldest(self._group_edits)
        text = with_ticking_times(_status_text(status))
        await self._bot.edit_message_text(
            text.text,
            *message,
            entities=text.entities or None,
            reply_markup=keyboard_of(controls_of(status), status.locale),
        )

    async def _show_as_draft(self, message: _MessageKey, status: Status) -> bool:
        """Show the steps of a batch in a private chat; False if the placeholder must show them."""
        chat_id = message[0]
        is_batch_drawn = status.count > 1 and status.position is None and status.steps > 0
        if chat_id < 0 or not is_batch_drawn or chat_id in self._without_drafts:
            return False
        try:
            await self._bot.send_message_draft(*message, _status_text(status))
        except (BadRequest, Forbidden) as error:
            log.info("no draft", chat_id=chat_id, reason=error.message)
            self._without_drafts[chat_id] = None
            _forget_oldest(self._without_drafts)
            self._drafts.discard(message)
            return False
        if message not in self._drafts:
            self._drafts.add(message)
            await self._edit(message, replace(status, index=0, step=0, steps=0))  # "Drawing now…"
        return True

    def _is_worth_an_edit(self, message: _MessageKey, status: Status) -> bool:
        """Whether a group should see this status: few edits are left to its job, some of them for the end."""
        edits = self._group_edits.get(message, _GroupEdits())
        share = _share_of(status)
        if share < 0:
            return edits.count < MAX_GROUP_EDITS - GROUP_EDITS_WHILE_DRAWING
        is_far = edits.share < 0 or share - edits.share >= LEAST_GROUP_PROGRESS
        return edits.count < MAX_GROUP_EDITS and is_far

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


def _share_of(status: Status) -> float:
    """The drawn share of a job, from 0 to 1; -1 while it waits."""
    if status.position is not None:
        return -1.0
    return (status.index + status.step / status.steps) / status.count if status.steps else 0.0


def _status_text(status: Status) -> str:
    """The status with its bar; an expected start is a time that ``with_ticking_times`` finds."""
    sentence = messages.format_status(status, status.locale, now_s=time.time())
    return "\n".join(filter(None, (sentence, messages.format_bar(status))))


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    for each in list(remembered)[:-MAX_REMEMBERED]:
        del remembered[each]
