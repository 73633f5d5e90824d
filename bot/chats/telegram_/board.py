"""Keeps placeholders up to date within what Telegram allows; the newest state of a job wins.

Showing never waits: a status is put down here and painted when its chat has room. Skipped states are never
shown, and nothing here outlives the process.
"""

import asyncio
import time
from dataclasses import dataclass

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot import messages
from bot.chats.telegram_.gate import Gate, Urgency, retry_after_s
from bot.chats.telegram_.keyboards import cancel_keyboard
from bot.chats.telegram_.place import Place
from bot.outcomes import Status

PAINT_S = 10.0
ACTION_GAP_S = 5.0  # Telegram shows a chat action for five seconds at most

Spot = tuple[int, int]  # chat id, message id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Painting:
    spot: Spot
    done: asyncio.Event


class PlaceholderEditor:
    """One task paints what ``put`` left."""

    def __init__(self, bot: Bot, gate: Gate) -> None:
        self._bot = bot
        self._gate = gate
        self._waiting: dict[Spot, Status] = {}
        self._changed = asyncio.Event()
        self._painting: _Painting | None = None
        self._acted_at_s: dict[int, float] = {}

    def put(self, status: Status) -> None:
        """Show this status as soon as the chat has room; it replaces an older one of the same message."""
        place = Place.of(status.address)
        if place.message_id is None:
            return
        self._waiting[place.chat_id, place.message_id] = status
        self._changed.set()

    async def take_down(self, place: Place) -> None:
        """Paint nothing more here, and return once nothing is being painted: the result comes next."""
        if place.message_id is None:
            return
        spot = (place.chat_id, place.message_id)
        self._waiting.pop(spot, None)
        if self._painting is not None and self._painting.spot == spot:
            await self._painting.done.wait()
            self._waiting.pop(spot, None)  # one that met a flood limit was put back

    async def run(self) -> None:
        """Paint until cancelled."""
        while True:
            self._changed.clear()
            waits = {spot: self._gate.wait_s(spot[0], Urgency.PROGRESS) for spot in self._waiting}
            spot = min(waits, key=lambda each: waits[each], default=None)
            if spot is None:
                await self._changed.wait()
            elif waits[spot] > 0:
                await self._sleep(waits[spot])
            else:
                await self._paint(spot, self._waiting.pop(spot))

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _paint(self, spot: Spot, status: Status) -> None:
        self._painting = _Painting(spot, asyncio.Event())
        self._gate.note(spot[0])
        try:
            async with asyncio.timeout(PAINT_S):
                await self._bot.edit_message_text(
                    messages.status(status, status.locale),
                    *spot,
                    reply_markup=cancel_keyboard(status.job_id, status.locale),
                )
                await self._act(spot[0], status)
        except RetryAfter as error:
            self._gate.hold(spot[0], retry_after_s(error))
            self._waiting.setdefault(spot, status)
        except BadRequest as error:
            if "not modified" not in error.message:
                log.info("status not shown", job_id=status.job_id, reason=error.message)
        except (TelegramError, TimeoutError) as error:
            log.info("status not shown", job_id=status.job_id, reason=repr(error))
        finally:
            self._painting.done.set()
            self._painting = None

    async def _act(self, chat_id: int, status: Status) -> None:
        """Let the person see "sending a photo" while the card draws, and only then."""
        now = time.monotonic()
        is_drawing = status.position is None
        if chat_id < 0 or not is_drawing or now - self._acted_at_s.get(chat_id, -ACTION_GAP_S) < ACTION_GAP_S:
            return
        self._acted_at_s.pop(chat_id, None)
        for idle in [each for each, at_s in self._acted_at_s.items() if now - at_s >= ACTION_GAP_S]:
            del self._acted_at_s[idle]
        self._acted_at_s[chat_id] = now
        await self._bot.send_chat_action(chat_id, ChatAction.UPLOAD_PHOTO)
