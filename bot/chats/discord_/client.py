"""The discord.py client as we use it: no privileged intent, no cache, one place for what it makes global."""

import asyncio
from collections.abc import Awaitable, Callable

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.chats.discord_.letters import NOBODY

Interaction = discord.Interaction[discord.Client]
Answer = Callable[[Interaction], Awaitable[None]]

API_BASE = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/"


def speak_to(api_base: str, gateway: str) -> None:
    """Point discord.py at these addresses; it keeps them in its classes, so they hold for the process."""
    Route.BASE = api_base.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # what we lack is for voice alone


class Menu(app_commands.CommandTree[discord.Client]):
    """The command tree; a command that Discord knows and we do not is answered too."""

    def __init__(self, client: discord.Client, on_unknown: Answer) -> None:
        super().__init__(client)
        self._on_unknown = on_unknown

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Discord still shows an older menu, or options changed their kind."""
        await self._on_unknown(interaction)


class Connection(discord.Client):
    """One connection, kept alive and resumed by discord.py.

    Attributes:
        is_there: Set once Discord has said who we are; interactions arrive from then on.
    """

    def __init__(self, *, gateway: str, proxy: str | None, on_press: Answer) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            proxy=proxy,
            allowed_mentions=NOBODY,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        self.is_there = asyncio.Event()
        self._gateway = yarl.URL(gateway)
        self._on_press = on_press

    async def hang_up(self) -> None:
        """End a connection that did not come about; unlike after ``close``, another can be made."""
        if self.ws is not None and self.ws.open:
            await self.ws.close(code=1000)
        await self.http.close()
        self.http.clear()
        self.http.connector = discord.utils.MISSING  # it was closed with its session

    async def on_connect(self) -> None:
        """A session began; it is resumed at our gateway, where one is set, not at the one Discord names."""
        if self._gateway != yarl.URL(GATEWAY):
            self.ws.gateway = self._gateway
        self.is_there.set()

    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a pressed button, however old its message is; commands go through the menu."""
        if interaction.type is discord.InteractionType.component:
            await self._on_press(interaction)
