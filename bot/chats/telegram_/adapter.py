"""The Telegram chat: opens, serves and closes; everything it does in between stands in the files beside.

Built on python-telegram-bot's ``Bot`` and its HTTP client, not on its ``Application``: that one confirms
updates to Telegram before anybody handled them. Use: ``await open()``, ``await serve()`` until cancelled,
``await close()``; ``show`` and ``deliver`` may be called from ``open`` to ``close``.
"""

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any

import structlog
from telegram import Bot, Update
from telegram.error import BadRequest, InvalidToken, NetworkError, TelegramError
from telegram.request import HTTPXRequest

from bot.chats.contract import Desk
from bot.chats.telegram_.answers import Answers
from bot.chats.telegram_.board import Board
from bot.chats.telegram_.delivery import Delivery
from bot.chats.telegram_.gate import Gate
from bot.chats.telegram_.incoming import Pressed, Said, read
from bot.chats.telegram_.intake import Intake
from bot.chats.telegram_.menu import declare
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.placing import Placing
from bot.chats.telegram_.sender import Sender
from bot.desk.outcomes import Outcome, Parcel, Platform, Receipt, Status, Undeliverable
from bot.errors import CannotSave, PersonError, PlatformUnreachable, TokenRefused

OPEN_S = 30.0
CLOSE_S = 10.0
DRAIN_S = 5.0
READ_S = 20.0  # Telegram takes a while to re-encode a photo before it answers
UPLOAD_S = 60.0  # 10 MB at 1.3 Mbit/s
RETRY_PAUSES_S = (1.0, 5.0, 20.0)  # then an answer that will not arrive is given up

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
        sender = Sender(self._bot, self._gate)
        self._board = Board(self._bot, self._gate)
        self._answers = Answers(self._bot, sender, desk, self._placing)
        self._delivery = Delivery(sender, desk)
        self._intake = Intake(polling, self._bot.base_url, desk, self._answer)

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
        """Let the answers under way end, and close every connection."""
        await self._intake.drain(DRAIN_S)
        async with asyncio.timeout(CLOSE_S):
            await self._bot.shutdown()

    async def show(self, status: Status) -> None:
        """Update the placeholder as soon as its chat has room; returns at once."""
        self._board.put(status)

    async def deliver(self, parcel: Parcel) -> None:
        """Bring an ended job to its person.

        Raises:
            Undeliverable: Blocked, or the chat is gone.
            NotNow: The chat is full. After ``TelegramError``, ``TimeoutError`` and ``OSError``: later, too.
        """
        place = Place.of(parcel.address)
        is_album = len(parcel.pictures) > 1
        self._gate.require_room(place.chat_id, messages=len(parcel.pictures) + 1 if is_album else 1)
        if place.reply_to is not None:  # else /mine asked for it, perhaps elsewhere
            place = await self._placing.arrived(parcel.job_id, place)
        await self._board.take_down(place)
        has_message = place.message_id is not None
        async with contextlib.nullcontext() if has_message else self._placing.of(parcel.job_id):
            await self._delivery.bring(parcel, place)

    async def _answer(self, event_id: str, payload: str) -> None:
        """Answer one stored event and settle it, whatever it does to us: it must not come back for ever."""
        event: Said | Pressed | None = None
        what: Outcome | PersonError | None = None
        is_settled = False
        try:
            event = read(Update.de_json(json.loads(payload), self._bot), self._bot.bot)
            if event is None:
                log.debug("event dropped", event_id=event_id, reason="not meant for us")
            else:
                what = await self._answers.ask(event)
                if not isinstance(what, Receipt | CannotSave):
                    # Done or refused: after a crash it must not be done once more, nor accepted after all.
                    await self._desk.settle(Platform.TELEGRAM, event_id)
                    is_settled = True
                await self._tell_patiently(event, what)
        except Undeliverable as error:
            log.info("answer not delivered", event_id=event_id, reason=str(error))
        except Exception as error:
            # Supervision point: one bad update must stop neither the others nor itself from being settled.
            log.exception("event failed", event_id=event_id)
            if event is not None and not isinstance(what, Receipt):  # an accepted job's picture says enough
                await self._apologise(event, error, event_id)
        if not is_settled:
            await self._desk.settle(Platform.TELEGRAM, event_id)

    async def _tell_patiently(self, event: Said | Pressed, what: Outcome | PersonError | None) -> None:
        """Say it, and again a few times while the network fails."""
        for pause_s in RETRY_PAUSES_S:
            try:
                return await self._answers.tell(event, what)
            except BadRequest:
                raise
            except (NetworkError, TimeoutError) as error:
                log.warning("answer delayed", event_id=event.visit.event_id, reason=repr(error))
            await asyncio.sleep(pause_s)
            if isinstance(what, Receipt):
                what = await self._answers.ask(event)  # its picture may stand there by now
        return await self._answers.tell(event, what)

    async def _apologise(self, event: Said | Pressed, error: Exception, event_id: str) -> None:
        try:
            await self._answers.apologise(event, error)
        except Exception as failure:  # noqa: BLE001 - still the supervision point: what broke may be broken here too
            log.warning("apology not delivered", event_id=event_id, reason=repr(failure))


def _client(config: TelegramConfig, **limits: Any) -> HTTPXRequest:
    """An HTTP client that takes its proxy from the settings alone, never from the environment."""
    return HTTPXRequest(proxy=config.proxy or None, httpx_kwargs={"trust_env": False}, **limits)


def _keep_addresses_out_of_logs() -> None:
    """The token is part of every request's address, which these libraries log below WARNING."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
