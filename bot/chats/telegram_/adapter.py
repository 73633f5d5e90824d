"""The Telegram chat: opens, serves and closes.

It is built on python-telegram-bot's ``Bot`` and HTTP client. It does not use the library's ``Application``,
which confirms updates to Telegram before they are handled. Use: ``await open()``, ``await serve()`` until
cancelled, ``await close()``. ``show`` and ``deliver`` work from ``open`` to ``close``.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bot.chats.contract import Desk
from bot.chats.telegram_.incoming.handler import UpdateHandler
from bot.chats.telegram_.incoming.inline import InlineQueries
from bot.chats.telegram_.incoming.poller import UpdatePoller
from bot.chats.telegram_.menus import HostMenus, declare_menus
from bot.chats.telegram_.outgoing.deletion import JobMessageDeletion
from bot.chats.telegram_.outgoing.delivery import TelegramDelivery
from bot.chats.telegram_.outgoing.placeholder_registry import PlaceholderRegistry
from bot.chats.telegram_.outgoing.placeholders import PlaceholderEditor
from bot.chats.telegram_.outgoing.reactions import RequestReactions
from bot.chats.telegram_.outgoing.sender import Sender
from bot.chats.telegram_.rate_limiter import RateLimiter
from bot.errors import PlatformUnreachable, TokenRefused
from bot.outcomes import Alert, JobResult, OwnerReport, PictureMessage, Platform, Status

OPEN_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 10.0
DRAIN_S = 5.0
READ_TIMEOUT_S = 20.0  # Telegram re-encodes a photo before it answers
UPLOAD_TIMEOUT_S = 60.0  # 10 MB at 1.3 Mbit/s

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """The host's settings for Telegram.

    Attributes:
        base_url: Address of the Bot API, up to the token; ``base_file_url`` is the same for files.
        proxy: ``http://…`` or ``socks5://…``, perhaps with a password; empty for none.
    """

    token: str = field(repr=False)
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    proxy: str = field(default="", repr=False)


class TelegramChat:
    """Implements ``bot.chats.contract.Chat`` for Telegram."""

    platform = Platform.TELEGRAM

    def __init__(self, config: TelegramConfig, desk: Desk) -> None:
        _hide_request_urls_from_logs()
        self._token = config.token
        polling = _make_client(config, connection_pool_size=1)
        self._bot = Bot(
            config.token,
            config.base_url,
            config.base_file_url,
            request=_make_client(
                config,
                read_timeout=READ_TIMEOUT_S,
                media_write_timeout=UPLOAD_TIMEOUT_S,
                pool_timeout=READ_TIMEOUT_S,
            ),
            get_updates_request=polling,
        )
        self._host_menus = HostMenus(self._bot, lambda: frozenset(map(int, desk.hosts(self.platform))))
        self._rate_limiter = RateLimiter()
        registry = PlaceholderRegistry()
        sender = Sender(self._bot, self._rate_limiter, desk)
        self._editor = PlaceholderEditor(self._bot, self._rate_limiter)
        reactions = RequestReactions(self._bot, self._rate_limiter)
        self._handler = UpdateHandler(self._bot, sender, desk, registry, reactions)
        self._deletion = JobMessageDeletion(sender)
        self._delivery = TelegramDelivery(
            sender, desk, self._rate_limiter, self._editor, registry, self._deletion
        )
        self._inline = InlineQueries(self._bot, desk)
        self._poller = UpdatePoller(
            polling, self._bot.base_url, desk, self._handler.handle, self._inline.start
        )

    async def open(self) -> None:
        """Check the token, remove any webhook and declare the commands; Telegram keeps waiting updates.

        Raises:
            TokenRefused: The host must set another token.
            PlatformUnreachable: The host must check the network or the proxy.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._bot.initialize()
                await self._bot.delete_webhook(drop_pending_updates=False)
                await declare_menus(self._bot)
        except InvalidToken:
            raise TokenRefused(platform=Platform.TELEGRAM.value) from None  # its text contains the token
        except (TelegramError, TimeoutError) as error:
            detail = (str(error) or "no answer in time").replace(self._token, "***")
            raise PlatformUnreachable(platform=Platform.TELEGRAM.value, detail=detail) from None
        log.info("telegram open", bot=self._bot.username)

    @property
    def is_connected(self) -> bool:
        """Whether Telegram answered the last request for updates."""
        return self._poller.is_answered

    async def serve(self) -> None:
        """Take updates, edit placeholders and follow who is a host, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poller.run(), name="telegram poller")
            tasks.create_task(self._editor.run(), name="telegram placeholders")
            tasks.create_task(self._host_menus.run(), name="telegram host menus")

    async def close(self) -> None:
        """Let running handlers end and close all connections; give up on one that does not close."""
        self._handler.close()
        self._inline.close()
        await self._poller.drain(DRAIN_S)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._bot.shutdown()
        except (TelegramError, TimeoutError) as error:
            log.warning("telegram not closed in time", reason=repr(error))

    async def show(self, status: Status) -> None:
        """Update the placeholder as soon as the rate limits allow it; returns at once."""
        self._editor.queue(status)

    async def deliver(self, result: JobResult) -> None:
        """Deliver an ended job; raises the errors of ``TelegramDelivery.deliver``."""
        await self._delivery.deliver(result)

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        """Delete messages of a deleted job; raises the errors of ``JobMessageDeletion.delete``."""
        return await self._deletion.delete(messages, locale)

    async def send_report(self, report: OwnerReport) -> None:
        """Send a report to a private chat; raises the errors of ``TelegramDelivery.deliver``."""
        await self._delivery.send_report(report)

    async def send_alert(self, alert: Alert) -> None:
        """Send an alert to a private chat; raises the errors of ``TelegramDelivery.deliver``."""
        await self._delivery.send_alert(alert)


def _make_client(config: TelegramConfig, **limits: Any) -> HTTPXRequest:
    """Make an HTTP client that takes its proxy from the settings only, never from the environment."""
    return HTTPXRequest(proxy=config.proxy or None, httpx_kwargs={"trust_env": False}, **limits)


def _hide_request_urls_from_logs() -> None:
    """Silence the libraries that log request URLs below WARNING: each URL contains the token."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
