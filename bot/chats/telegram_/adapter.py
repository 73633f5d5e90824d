"""The Telegram chat: opens, serves and closes; everything it does in between stands in the files beside.

Built on python-telegram-bot's ``Bot`` and its HTTP client, not on its ``Application``: that one confirms
updates to Telegram before anybody handled them. Use: ``await open()``, ``await serve()`` until cancelled,
``await close()``; ``show`` and ``deliver`` may be called from ``open`` to ``close``.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from telegram import Bot
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.chats.contract import Desk
from bot.chats.telegram_.answers import Answers
from bot.chats.telegram_.board import PlaceholderEditor
from bot.chats.telegram_.delivery import Delivery
from bot.chats.telegram_.event_kinds import UpdateKind
from bot.chats.telegram_.gate import Gate, retry_after_s
from bot.chats.telegram_.incoming import Event, Ignored, read
from bot.chats.telegram_.intake import Intake
from bot.chats.telegram_.menu import declare
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.placing import Placing
from bot.chats.telegram_.replies.reply import Reply
from bot.chats.telegram_.sender import Sender
from bot.errors import PlatformUnreachable, TokenRefused
from bot.outcomes import JobResult, Platform, Status, Undeliverable

OPEN_S = 30.0
CLOSE_S = 10.0
DRAIN_S = 5.0
READ_S = 20.0  # Telegram takes a while to re-encode a photo before it answers
UPLOAD_S = 60.0  # 10 MB at 1.3 Mbit/s
RETRY_PAUSES_S = (1.0, 5.0, 20.0, 60.0)  # between tries to send an answer; the last one again and again …
MAX_TRIES = 1_440  # … for a day, as long as Telegram itself keeps an update

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """What the host settled.

    Attributes:
        base_url: Where the Bot API is, up to the token; likewise ``base_file_url`` for files.
        proxy: ``http://…`` or ``socks5://…``, perhaps with a password; empty for none.
        hosts: User ids of the hosts, whose own menus show the hosts' commands.
    """

    token: str = field(repr=False)
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    proxy: str = field(default="", repr=False)
    hosts: tuple[int, ...] = ()


class TelegramChat:
    """Implements ``bot.chats.contract.Chat`` for Telegram."""

    platform = Platform.TELEGRAM

    def __init__(self, config: TelegramConfig, desk: Desk) -> None:
        _keep_addresses_out_of_logs()
        self._desk = desk
        self._token = config.token
        self._hosts = config.hosts
        polling = _client(config, connection_pool_size=1)
        self._bot = Bot(
            config.token,
            config.base_url,
            config.base_file_url,
            request=_client(config, read_timeout=READ_S, media_write_timeout=UPLOAD_S, pool_timeout=READ_S),
            get_updates_request=polling,
        )
        self._gate = Gate()
        self._placing = Placing()
        sender = Sender(self._bot, self._gate, self._migrated)
        self._board = PlaceholderEditor(self._bot, self._gate)
        self._answers = Answers(self._bot, sender, desk, self._placing)
        self._delivery = Delivery(sender, desk)
        self._intake = Intake(polling, self._bot.base_url, desk, self._answer)
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Prove the token, stop any webhook and declare the commands; waiting updates are kept.

        Raises:
            TokenRefused: The host must set another token.
            PlatformUnreachable: The host must look at the network or the proxy.
        """
        try:
            async with asyncio.timeout(OPEN_S):
                await self._bot.initialize()
                await self._bot.delete_webhook(drop_pending_updates=False)
                await declare(self._bot, self._hosts)
        except InvalidToken:
            raise TokenRefused(platform=Platform.TELEGRAM.value) from None  # its text holds the token
        except (TelegramError, TimeoutError) as error:
            detail = (str(error) or "no answer in time").replace(self._token, "***")
            raise PlatformUnreachable(platform=Platform.TELEGRAM.value, detail=detail) from None
        log.info("telegram open", bot=self._bot.username)

    async def serve(self) -> None:
        """Take updates and keep placeholders up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._intake.run(), name="telegram intake")
            tasks.create_task(self._board.run(), name="telegram board")

    async def close(self) -> None:
        """Let the answers under way end, and close every connection; one that hangs is left to the system."""
        self._closing.set()
        await self._intake.drain(DRAIN_S)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._bot.shutdown()
        except (TelegramError, TimeoutError) as error:
            log.warning("telegram not closed in time", reason=repr(error))

    async def show(self, status: Status) -> None:
        """Update the placeholder as soon as its chat has room; returns at once."""
        self._board.put(status)

    async def deliver(self, result: JobResult) -> None:
        """Bring an ended job to its person.

        Raises:
            Undeliverable: Blocked, or the chat is gone.
            NotNow: The chat is full. After ``TelegramError``, ``TimeoutError`` and ``OSError``: later, too.
        """
        place = Place.of(result.address)
        is_album = len(result.pictures) > 1
        self._gate.require_room(place.chat_id, messages=len(result.pictures) + 1 if is_album else 1)
        if place.reply_to is not None:  # else /mine asked for it, perhaps elsewhere
            place = await self._placing.arrived(result.job_id, place)
        await self._board.take_down(place)
        has_message = place.message_id is not None
        async with contextlib.nullcontext() if has_message else self._placing.of(result.job_id):
            is_told = self._placing.is_told(result.job_id, place.chat_id)
            await self._delivery.bring(result, place, is_told=is_told)

    async def _migrated(self, old_chat_id: int, new_chat_id: int) -> None:
        await self._answers.migrated(old_chat_id, new_chat_id)

    async def _answer(self, event_id: str, payload: str) -> None:
        """Answer one stored event, and settle it once its answer was sent or can never be sent.

        What is cut off in between is answered after the next start; the desk knows what it did for the event.
        """
        try:
            is_done = await self._answer_patiently(event_id, read(json.loads(payload), self._bot.bot))
        except (Undeliverable, BadRequest) as error:
            log.warning("answer cannot be sent", event_id=event_id, reason=str(error))
        except Exception:
            # Supervision point: an update that cannot be read must stop no other, and must not come back.
            log.exception("event failed", event_id=event_id)
        else:
            if not is_done:
                return
        await self._desk.finish_event(Platform.TELEGRAM, event_id)

    async def _answer_patiently(self, event_id: str, event: Event) -> bool:
        """Ask the desk and send what it answers, again while the network fails; False when we close first."""
        if isinstance(event, Ignored):
            log_line = log.info if event.kind is UpdateKind.UNKNOWN else log.debug
            log_line("update ignored", event_id=event_id, kind=event.kind.name)
            return True
        reply: Reply | None = None
        is_apology = False
        for pause_s in _pauses_s():
            try:
                reply = reply or await self._answers.ask(event)
                await reply.send()
            except (Undeliverable, BadRequest):
                raise
            except (TelegramError, TimeoutError) as error:
                log.warning("answer delayed", event_id=event_id, reason=repr(error))
                wait_s = max(pause_s, retry_after_s(error) if isinstance(error, RetryAfter) else 0.0)
                if await self._closes_within(wait_s):
                    return False
            except Exception as error:
                if is_apology:
                    raise
                # Supervision point: a fault of ours is logged with the event, and the person is told.
                log.exception("event failed", event_id=event_id)
                if reply is not None and reply.is_accepted:
                    return True  # its picture is on its way; whoever is told to try again would pay twice
                reply, is_apology = self._answers.apology(event, error), True
            else:
                return True
        raise Undeliverable("Telegram took no answer for a day")

    async def _closes_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()


def _pauses_s() -> Iterator[float]:
    """Seconds to wait after each failed try to send an answer."""
    for number in range(MAX_TRIES):
        yield RETRY_PAUSES_S[min(number, len(RETRY_PAUSES_S) - 1)]


def _client(config: TelegramConfig, **limits: Any) -> HTTPXRequest:
    """An HTTP client that takes its proxy from the settings alone, never from the environment."""
    return HTTPXRequest(proxy=config.proxy or None, httpx_kwargs={"trust_env": False}, **limits)


def _keep_addresses_out_of_logs() -> None:
    """The token is part of every request's address, which these libraries log below WARNING."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
