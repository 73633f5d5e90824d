"""Discord as a chat: opens the connection, declares the menu, passes on what comes and goes."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import discord
import structlog
from pydantic import SecretStr

from bot.chats.contract import Desk
from bot.chats.discord_.client import API_BASE, GATEWAY, Connection, Menu, speak_to
from bot.chats.discord_.delivery import Delivery
from bot.chats.discord_.events.kinds import Raw
from bot.chats.discord_.events.messages import Locales
from bot.chats.discord_.events.replies import Replies
from bot.chats.discord_.incoming import DRAIN_TIMEOUT_S, Incoming
from bot.chats.discord_.intake import Intake
from bot.chats.discord_.limits import Refusals, Starts
from bot.chats.discord_.menu import declare, sync_if_changed
from bot.chats.discord_.pace import INTERVAL_S, Pace
from bot.errors import OperatorError, PlatformUnreachable, TokenRefused
from bot.outcomes import JobResult, Platform, Status

log = structlog.get_logger()
BAD_TOKEN = 4004  # the gateway's close code for a token that it does not know


@dataclass(frozen=True, slots=True)
class DiscordConfig:
    """How to reach Discord.

    Attributes:
        menu_file: Where the hash of the declared commands is kept, in the data folder.
        starts_file: Where it is kept how often we identified lately, in the data folder.
        api_base: With its version, like ``https://discord.com/api/v10``.
        gateway: Empty means Discord's own.
        proxy: ``http://host:port`` for everything, the gateway too; empty for none.
        silent_s: After so long without a word from the gateway the line counts as dead.
        status_interval_s: The least time between two edits of one waiting answer.
    """

    token: SecretStr
    menu_file: Path
    starts_file: Path
    api_base: str = API_BASE
    gateway: str = ""
    proxy: str = field(default="", repr=False)  # may hold a password
    open_timeout_s: float = 60.0
    silent_s: float = 60.0
    status_interval_s: float = INTERVAL_S


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
        speak_to(config.api_base, gateway)
        self._pace = Pace(config.status_interval_s)
        self._starts = Starts(config.starts_file)
        self._intake = Intake(desk)
        refusals = Refusals()
        self._client = Connection(
            gateway=gateway,
            proxy=config.proxy or None,
            silent_s=config.silent_s,
            intake=self._intake,
            starts=self._starts,
            refusals=refusals,
            on_press=self._press,
            on_message=self._hear,
        )
        self._delivery = Delivery(self._client, desk, self._pace, refusals, clock)
        locales = Locales()
        self._incoming = Incoming(desk, self._delivery, self._intake, locales, clock)
        self._replies = Replies(self._client, desk, self._delivery, self._intake, locales)
        self._menu = Menu(self._client, self._incoming.unknown)
        declare(self._menu, self._incoming)
        self._session: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Log in, declare the commands if they changed, and wait until Discord greets us.

        What failed leaves nothing behind, so it may be called again.

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
            raise PlatformUnreachable(platform=self.platform, detail=self._said(error)) from error
        log.info("discord open", menu_declared=is_new)

    async def serve(self) -> None:
        """Take interactions until cancelled, those left from before a crash first.

        discord.py reconnects and resumes by itself. When this raises, the chat may be opened again.

        Raises:
            OperatorError: Discord ended the session for good, as it does when the token is replaced.
        """
        session = self._session
        if session is None:
            raise RuntimeError("open the chat before it serves")
        await self._intake.recall(self._client.handle_again)
        async with asyncio.TaskGroup() as tasks:
            moving = tasks.create_task(self._delivery.move_on(), name="discord answers move on")
            await asyncio.wait([session])
            moving.cancel()
        await self._end_session()
        await self._client.hang_up()
        raise self._ended(session)

    async def close(self) -> None:
        """Let the answers under way finish, then disconnect; a second call does nothing."""
        await asyncio.gather(self._incoming.drain(), self._replies.drain(DRAIN_TIMEOUT_S))
        await self._intake.close()
        await self._pace.close()
        await self._client.close()
        await self._end_session()

    async def show(self, status: Status) -> None:
        """Update the answer of a waiting job when its pace allows; the newest state wins."""
        if self._session is not None:  # before it opens, nothing can be edited
            self._delivery.show(status)

    async def deliver(self, result: JobResult) -> None:
        """Bring an ended job to its person: its answer, else its channel, else directly.

        Raises:
            Undeliverable: No way is open, and none will be.
            NotNow: Discord refused too much lately.
        """
        await self._delivery.deliver(result)

    async def _connect(self) -> bool:
        """Do what ``open`` says; True where the commands were new."""
        if wait_s := await asyncio.to_thread(self._starts.wait_s):
            detail = f"connected too often in the last day; the next time is in {wait_s:.0f} s"
            raise PlatformUnreachable(platform=self.platform, detail=detail)
        try:
            await self._client.__aenter__()  # begins anew where discord.py ended itself
            await self._client.login(self._config.token.get_secret_value())
            is_new = await sync_if_changed(self._menu, self._config.menu_file)
            self._session = asyncio.create_task(self._client.connect(), name="discord gateway")
            await self._greeted(self._session)
        except BaseException:
            await self._end_session()
            await self._client.hang_up()
            raise
        return is_new

    async def _end_session(self) -> None:
        if self._session is not None:
            self._session.cancel()
            await asyncio.gather(self._session, return_exceptions=True)
            self._session = None

    async def _press(self, interaction: discord.Interaction[discord.Client]) -> None:
        await self._incoming.press(interaction)

    def _hear(self, raw: Raw) -> None:
        self._replies.take(raw)

    async def _greeted(self, session: asyncio.Task[None]) -> None:
        greeting = asyncio.create_task(self._client.is_there.wait(), name="discord greeting")
        try:
            await asyncio.wait([session, greeting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            greeting.cancel()
        if session.done():
            raise self._ended(session)

    def _ended(self, session: asyncio.Task[None]) -> OperatorError:
        """Why the session is over, as the host reads it."""
        error = None if session.cancelled() else session.exception()
        if isinstance(error, discord.ConnectionClosed) and error.code == BAD_TOKEN:
            return TokenRefused(platform=self.platform)
        # Where the very first connection fails, discord.py trips over its missing socket: the cause tells.
        cause = error.__context__ if isinstance(error, AttributeError) else error
        return PlatformUnreachable(platform=self.platform, detail=self._said(cause) or "the session ended")

    def _said(self, error: BaseException | None) -> str:
        """What a library says of it, without the proxy's password, which aiohttp repeats."""
        password = urlsplit(self._config.proxy).password
        text = str(error or "")
        return text.replace(password, "***") if password else text
