"""Discord as a chat: opens the connection, declares the commands, and connects incoming with outgoing."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import discord
import structlog
from pydantic import SecretStr

from bot.chats.contract import Desk
from bot.chats.discord_.client import API_BASE, GATEWAY, DiscordClient
from bot.chats.discord_.command_menu import add_commands, sync_if_changed
from bot.chats.discord_.incoming.inbox import EventInbox
from bot.chats.discord_.incoming.interactions import InteractionHandler
from bot.chats.discord_.incoming.parsing import PersonLocales
from bot.chats.discord_.incoming.text_messages import TextMessageHandler
from bot.chats.discord_.library_internals import TolerantTree, session_error, set_endpoints
from bot.chats.discord_.limits import IdentifyLimiter, RefusalCounter
from bot.chats.discord_.outgoing.delivery import AnswerDelivery
from bot.chats.discord_.outgoing.edit_throttle import INTERVAL_S, EditThrottle
from bot.chats.discord_.outgoing.placeholders import Placeholders
from bot.chats.discord_.outgoing.sender import MessageSender
from bot.errors import OperatorError, PlatformUnreachable, TokenRefused
from bot.outcomes import Alert, JobResult, OwnerReport, PictureMessage, Platform, Status
from engine.formatting import without_passwords

log = structlog.get_logger()
DRAIN_TIMEOUT_S = 5.0
BAD_TOKEN = 4004  # the gateway's close code for a token that it does not know


@dataclass(frozen=True, slots=True)
class DiscordConfig:
    """How to reach Discord.

    Attributes:
        menu_file: Keeps the hash of the declared commands, in the data folder.
        identifies_file: Keeps the times of the last identifies, in the data folder.
        api_base: With its version, like ``https://discord.com/api/v10``.
        gateway: Empty means Discord's own.
        proxy: ``http://host:port`` for everything, the gateway too; empty for none.
        heartbeat_timeout_s: After this time without an answer from the gateway the connection counts as lost.
        edit_interval_s: The shortest time between two edits of one placeholder.
        must_sync: Declare the commands at the first connection even if they have not changed.
    """

    token: SecretStr
    menu_file: Path
    identifies_file: Path
    api_base: str = API_BASE
    gateway: str = ""
    proxy: str = field(default="", repr=False)  # may contain a password
    open_timeout_s: float = 60.0
    heartbeat_timeout_s: float = 60.0
    edit_interval_s: float = INTERVAL_S
    must_sync: bool = False


class DiscordChat:
    """Implements ``bot.chats.contract.Chat``."""

    platform = Platform.DISCORD

    def __init__(
        self,
        config: DiscordConfig,
        desk: Desk,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._config = config
        gateway = config.gateway or GATEWAY
        set_endpoints(config.api_base, gateway)
        self._identifies = IdentifyLimiter(config.identifies_file)
        self._inbox = EventInbox(desk)
        refusals = RefusalCounter()
        self._client = DiscordClient(
            gateway=gateway,
            proxy=config.proxy or None,
            heartbeat_timeout_s=config.heartbeat_timeout_s,
            inbox=self._inbox,
            identifies=self._identifies,
            refusals=refusals,
            on_press=lambda interaction: self._interactions.run_press(interaction),
            on_message=lambda event: self._text_messages.start_answer(event),
        )
        sender, locales = MessageSender(self._client), PersonLocales()
        self._throttle = EditThrottle(config.edit_interval_s)
        self._placeholders = Placeholders(sender, desk, self._throttle, clock)
        self._delivery = AnswerDelivery(sender, desk, self._placeholders, refusals, clock)
        self._interactions = InteractionHandler(
            desk, self._placeholders, self._delivery, self._inbox, locales, clock
        )
        self._text_messages = TextMessageHandler(
            self._client, desk, self._placeholders, self._delivery, self._inbox, locales
        )
        self._tree = TolerantTree(self._client, self._interactions.refuse_unknown)
        add_commands(self._tree, self._interactions)
        self._session: asyncio.Task[None] | None = None
        self._must_sync = config.must_sync

    async def open(self) -> None:
        """Log in, declare the commands if they changed, and wait until Discord accepts the session.

        A failed attempt leaves nothing behind, so the caller may try again.

        Raises:
            TokenRefused: Discord does not know the token.
            PlatformUnreachable: Discord, or the proxy, does not answer as it should.
        """
        try:
            async with asyncio.timeout(self._config.open_timeout_s):
                is_new = await self._connect()
        except discord.LoginFailure as error:
            raise TokenRefused(platform=self.platform) from error
        except TimeoutError as error:
            detail = f"no answer in {self._config.open_timeout_s:g} s"
            raise PlatformUnreachable(platform=self.platform, detail=detail) from error
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            raise PlatformUnreachable(platform=self.platform, detail=_text_of(error)) from error
        log.info("discord open", menu_declared=is_new)

    @property
    def is_connected(self) -> bool:
        """Whether the gateway's connection is open."""
        return self._client.is_connected

    async def serve(self) -> None:
        """Handle events until cancelled; first those that a crash left unanswered.

        discord.py reconnects and resumes by itself. After an error the chat may be opened again.

        Raises:
            OperatorError: Discord ended the session for good, for example because the token was replaced.
        """
        session = self._session
        if session is None:
            raise RuntimeError("open the chat before it serves")
        try:
            await self._inbox.replay_unsettled(self._client.parse_event)
            async with asyncio.TaskGroup() as tasks:
                moving = tasks.create_task(
                    self._placeholders.move_expiring(), name="discord placeholders move"
                )
                await asyncio.wait([session])
                moving.cancel()
            raise self._reason(session)
        except Exception:
            await self._end_session()
            await self._client.disconnect()
            raise

    async def close(self) -> None:
        """Let the answers in progress finish, end those that take too long, and disconnect.

        A second call does nothing.
        """
        answers = (self._interactions.answers, self._text_messages.answers)
        await asyncio.gather(*(each.drain(DRAIN_TIMEOUT_S) for each in answers))
        await self._inbox.close()
        await self._throttle.close()
        await asyncio.gather(*(each.end() for each in answers))
        await self._client.close()
        await self._end_session()

    async def show(self, status: Status) -> None:
        """Update the placeholder of a waiting job as soon as the throttle allows; the newest status wins."""
        if self._session is not None:  # nothing can be edited before the chat is open
            self._placeholders.show_status(status)

    async def deliver(self, result: JobResult) -> None:
        """Deliver an ended job to its person: in its answer, else in its channel, else directly.

        Raises:
            Undeliverable: No way is open, and none will be.
            RetryLater: Discord refused too much in the last minutes.
        """
        await self._delivery.deliver(result)

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        """Delete messages of a deleted job; raises the errors of ``AnswerDelivery.delete_messages``."""
        return await self._delivery.delete_messages(messages)

    async def send_report(self, report: OwnerReport) -> None:
        """Send a report as a direct message; raises the errors of ``AnswerDelivery.send_report``."""
        await self._delivery.send_report(report)

    async def send_alert(self, alert: Alert) -> None:
        """Send an alert as a direct message; raises the errors of ``AnswerDelivery.send_report``."""
        await self._delivery.send_alert(alert)

    async def _connect(self) -> bool:
        """Do what ``open`` says; True if the commands were declared."""
        if wait_s := await asyncio.to_thread(self._identifies.wait_s):
            detail = f"connected too often in the last day; the next time is in {wait_s:.0f} s"
            raise PlatformUnreachable(platform=self.platform, detail=detail)
        try:
            await self._client.__aenter__()  # resets a client that discord.py closed
            await self._client.login(self._config.token.get_secret_value())
            is_new = await sync_if_changed(self._tree, self._config.menu_file, always=self._must_sync)
            self._must_sync = False
            self._session = asyncio.create_task(self._client.connect(), name="discord gateway")
            await self._wait_for_session(self._session)
        except BaseException:
            await self._end_session()
            await self._client.disconnect()
            raise
        return is_new

    async def _wait_for_session(self, session: asyncio.Task[None]) -> None:
        started = asyncio.create_task(self._client.session_started.wait(), name="discord session starts")
        try:
            await asyncio.wait([session, started], return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if session.done():
            raise self._reason(session)

    async def _end_session(self) -> None:
        if self._session is not None:
            self._session.cancel()
            await asyncio.gather(self._session, return_exceptions=True)
            self._session = None

    def _reason(self, session: asyncio.Task[None]) -> OperatorError:
        """Why the session ended, as an error for the host."""
        error = None if session.cancelled() else session_error(session.exception())
        if isinstance(error, discord.ConnectionClosed) and error.code == BAD_TOKEN:
            return TokenRefused(platform=self.platform)
        return PlatformUnreachable(platform=self.platform, detail=_text_of(error) or "the session ended")


def _text_of(error: BaseException | None) -> str:
    """The message of a library's error without the password of the proxy, which aiohttp repeats."""
    return without_passwords(str(error or ""))
