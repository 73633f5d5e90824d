"""Which groups of tiers a person is a member of, as Telegram says; remembered for some minutes.

A known answer is used at once, even an old one, which is then asked again meanwhile. Only a person of whom
nothing is known waits for Telegram, and not for long: a request must not depend on it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog
from telegram import Bot, ChatMember, ChatMemberRestricted
from telegram.error import TelegramError

FRESH_S = 300.0
WAIT_S = 1.0
ASK_TIMEOUT_S = 10.0
REMEMBERED_PEOPLE = 2_000
_MEMBERS = (ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER)

log = structlog.get_logger(__name__)


class Memberships:
    """Asks Telegram about members.

    Args:
        groups: The groups of tiers that count now, as ``telegram:id``.
        clock: Seconds that never go back.
    """

    def __init__(
        self, bot: Bot, groups: Callable[[], Sequence[str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bot = bot
        self._groups = groups
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, user_id: str) -> tuple[str, ...] | None:
        """Return the groups of tiers that a person is a member of; None if Telegram has not said yet."""
        if not self._groups():
            return ()
        asked_s, _ = self._known.get(user_id, (-FRESH_S, ()))
        if self._clock() - asked_s >= FRESH_S:
            asking = self._asking.get(user_id) or asyncio.create_task(
                self._ask(user_id), name=f"telegram memberships {user_id}"
            )
            self._asking[user_id] = asking
            if user_id not in self._known:
                await asyncio.wait({asking}, timeout=WAIT_S)
        return self._known[user_id][1] if user_id in self._known else None

    def close(self) -> None:
        """Ask no more."""
        for asking in self._asking.values():
            asking.cancel()

    async def _ask(self, user_id: str) -> None:
        groups = tuple(self._groups())
        try:
            found = [group for group in groups if await self._is_member(group, int(user_id))]
        except (TelegramError, TimeoutError, TypeError, ValueError) as error:  # or an answer of another shape
            log.info("memberships unknown", reason=type(error).__name__)
            return
        finally:
            self._asking.pop(user_id, None)
        self._known[user_id] = (self._clock(), tuple(found))
        self._known.move_to_end(user_id)
        while len(self._known) > REMEMBERED_PEOPLE:
            self._known.popitem(last=False)

    async def _is_member(self, group: str, user_id: int) -> bool:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            member = await self._bot.get_chat_member(int(group.partition(":")[2]), user_id)
        is_restricted_member = isinstance(member, ChatMemberRestricted) and member.is_member
        return member.status in _MEMBERS or is_restricted_member
