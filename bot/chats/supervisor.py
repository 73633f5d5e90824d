"""Keeps chats and background jobs running: what follows each failure, and how long to wait before a retry.

``FAILURE_RULES`` is the whole policy for chats. A failure of one chat never stops another one, unless a rule
ends the application.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from bot import messages
from bot.chats.contract import Chat
from bot.errors import OperatorError, PackageMissing, PlatformUnreachable
from bot.monitoring.figures import CHAT_OPEN
from bot.outcomes import Platform
from engine.backoff import Backoff

# Between tries to open a chat or to run a job; the last one repeats.
RETRY_PAUSES_S = (5.0, 15.0, 60.0, 300.0)

log = structlog.get_logger("bot.chats.supervisor")


@dataclass(frozen=True, slots=True)
class ChatFailureRule:
    """What follows a failure of one chat.

    Attributes:
        event: The log's event.
        needs_host: Only the host can repair it. The chat counts as lost and is retried at the longest pause.
            When every chat is lost, the application ends.
        ends_start: At the chat's first opening it ends the application, because the host watches the start.
    """

    event: str
    needs_host: bool = False
    ends_start: bool = False


FAILURE_RULES: tuple[tuple[type[Exception], ChatFailureRule], ...] = (
    (PlatformUnreachable, ChatFailureRule("chat unreachable")),
    (PackageMissing, ChatFailureRule("chat lost", needs_host=True)),
    (OperatorError, ChatFailureRule("chat lost", needs_host=True, ends_start=True)),
    (Exception, ChatFailureRule("chat failed")),
)
"""Error → rule; the first match counts."""


class ChatSupervisor:
    """Keeps chats open: opens each, lets it serve, and opens it again after a pause when it fails.

    Args:
        chats: All chats of the application.
        locale: Returns the host's language, for the log.
        clock: Seconds; monotonic.
    """

    def __init__(
        self, chats: Sequence[Chat], locale: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.chats = tuple(chats)
        self._locale = locale
        self._tried = {chat: asyncio.Event() for chat in chats}
        self._open: set[Chat] = set()
        self._lost: set[Chat] = set()
        self._offline_since_s = dict.fromkeys(chats, clock())
        self._clock = clock

    def is_open(self, chat: Chat) -> bool:
        """Whether the chat takes messages now."""
        return chat in self._open

    def offline_s(self) -> dict[Platform, float]:
        """Return for how many seconds each chat has been offline: not open, or without its platform.

        Only what was seen at a call counts, so call it every few seconds. It also sets the figure.
        """
        now_s, found = self._clock(), dict[Platform, float]()
        for chat in self.chats:
            is_online = self.is_open(chat) and chat.is_connected
            if is_online:
                self._offline_since_s[chat] = now_s
            CHAT_OPEN.labels(chat.platform).set(is_online)
            found[chat.platform] = now_s - self._offline_since_s[chat]
        return found

    async def wait_until_tried(self) -> None:
        """Return once the first opening of every chat has succeeded or failed."""
        for tried in self._tried.values():
            await tried.wait()

    async def keep_open(self, chat: Chat) -> None:
        """Keep one chat open until cancelled.

        Raises:
            OperatorError: A rule ends the application.
        """
        backoff = Backoff(RETRY_PAUSES_S)
        while True:
            try:
                await self._open_chat(chat)
                backoff.reset()
                await chat.serve()
            except Exception as error:
                rule = next(rule for kind, rule in FAILURE_RULES if isinstance(error, kind))
                if self._ends_application(chat, rule):
                    raise
                self._log_failure(chat, rule, error)
                if rule.needs_host:
                    backoff.skip_to_longest()
            self._open.discard(chat)
            CHAT_OPEN.labels(chat.platform).set(0)
            self._tried[chat].set()
            await asyncio.sleep(backoff.next_pause_s())

    async def _open_chat(self, chat: Chat) -> None:
        try:
            await chat.open()
        except ModuleNotFoundError as error:
            raise PackageMissing(platform=chat.platform, package=error.name) from error
        log.info("chat open", platform=chat.platform)
        self._lost.discard(chat)
        self._open.add(chat)
        CHAT_OPEN.labels(chat.platform).set(1)
        self._tried[chat].set()

    def _ends_application(self, chat: Chat, rule: ChatFailureRule) -> bool:
        if rule.needs_host:
            self._lost.add(chat)
        is_start = not self._tried[chat].is_set()
        return (rule.ends_start and is_start) or (rule.needs_host and len(self._lost) == len(self.chats))

    def _log_failure(self, chat: Chat, rule: ChatFailureRule, error: Exception) -> None:
        if isinstance(error, OperatorError):
            write = log.error if rule.needs_host else log.warning
            write(rule.event, platform=chat.platform, why=messages.format_error(error, self._locale()))
        else:
            log.exception(rule.event, platform=chat.platform)


async def keep_running(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """Run a background job until it ends or is cancelled; log each failure and run it again after a pause."""
    backoff = Backoff(RETRY_PAUSES_S)
    while True:
        began_s = time.monotonic()
        try:
            await job()
            return
        except Exception:
            log.exception("background job failed", job=name)
        pause_s = backoff.next_pause_s()
        if time.monotonic() - began_s >= backoff.longest_s:
            backoff.reset()
        await asyncio.sleep(pause_s)
