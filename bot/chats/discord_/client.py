"""The discord.py client as we use it: no privileged intent, no cache, one place for what it makes global."""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route
from discord.state import ConnectionState

from bot.chats.discord_.events.kinds import RULES, Raw, kind_of_interaction
from bot.chats.discord_.intake import Intake
from bot.chats.discord_.letters import NOBODY
from bot.chats.discord_.limits import Refusals, Starts

Interaction = discord.Interaction[discord.Client]
Answer = Callable[[Interaction], Awaitable[None]]
log = structlog.get_logger()

API_BASE = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/"
SUGGEST_TIMEOUT_S = 3.0
NEXT_IDENTIFY_S = 5.0  # Discord takes one identify in five seconds; discord.py's own hook waits as long
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an event raises that is not as Discord describes it."""


def speak_to(api_base: str, gateway: str) -> None:
    """Point discord.py at these addresses; it keeps them in its classes, so they hold for the process."""
    Route.BASE = api_base.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    discord.client.DiscordWebSocket = _Socket  # type: ignore[misc]  # the name that Client.connect looks up


discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # what we lack is for voice alone


class _Socket(DiscordWebSocket):
    """The gateway's line: a frame that cannot be read is dropped, and the line stays."""

    async def received_message(self, msg: Any, /) -> None:
        """Read a frame; what is broken in its text is replaced."""
        if isinstance(msg, bytes):
            msg = await self._decompressed(msg)
            if msg is None:
                return
        try:
            await super().received_message(_well_formed(msg))
        except MALFORMED as error:
            log.warning("frame dropped", reason=f"malformed: {type(error).__name__}")

    async def _decompressed(self, data: bytes) -> str | None:
        """The text of a frame; None for a part of one. A broken stream cannot be read on: connect again."""
        try:
            return self._decompressor.decompress(data)
        except (zlib.error, ValueError):
            log.warning("line broken", reason="not compressed as agreed; connecting again")
            await self.close()
            raise ReconnectWebSocket(self.shard_id) from None


def _well_formed(text: str) -> str:
    """JSON without lone surrogates, which neither the parser nor a database takes."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()


class Menu(app_commands.CommandTree[discord.Client]):
    """The command tree; a command that Discord knows and we do not is answered too."""

    def __init__(self, client: discord.Client, on_unknown: Answer) -> None:
        super().__init__(client)
        self._on_unknown = on_unknown

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Discord still shows an older menu, or options changed their kind."""
        log.info("command not read", interaction_id=interaction.id, reason=type(error).__name__)
        if interaction.type is discord.InteractionType.autocomplete:
            await self._suggest_nothing(interaction)
        else:
            await self._on_unknown(interaction)

    async def _call(self, interaction: Interaction) -> None:
        """Run the command; a payload that is not as Discord describes it counts as an unknown one."""
        try:
            await super()._call(interaction)
        except MALFORMED as error:
            reason = f"malformed: {type(error).__name__}"
            log.warning("command not read", interaction_id=interaction.id, reason=reason)
            await self._on_unknown(interaction)
        if interaction.type is discord.InteractionType.autocomplete and not interaction.response.is_done():
            await self._suggest_nothing(interaction)

    async def _suggest_nothing(self, interaction: Interaction) -> None:
        """Answer an option that we do not know, or whose suggestions failed."""
        try:
            async with asyncio.timeout(SUGGEST_TIMEOUT_S):
                await interaction.response.autocomplete([])
        except (discord.HTTPException, aiohttp.ClientError, TimeoutError, *MALFORMED) as error:
            log.info("suggestions not sent", interaction_id=interaction.id, error=type(error).__name__)


class _State(ConnectionState[discord.Client]):
    """discord.py's reading of events: one that cannot be read is dropped, and the connection goes on."""

    def __init__(self, intake: Intake, on_message: Callable[[Raw], None], **options: Any) -> None:
        self._intake = intake
        self._on_message = on_message
        super().__init__(**options)
        self.parsers = {name: _dropping(name, parse) for name, parse in self.parsers.items()}

    def parse_interaction_create(self, data: Any) -> None:
        kind = kind_of_interaction(data)
        if not RULES[kind].is_answered:
            log.info("interaction ignored", interaction_id=data["id"], kind=kind.value)
        elif self._intake.is_new(data):
            super().parse_interaction_create(data)

    def parse_message_create(self, data: Any) -> None:
        self._on_message(data)

    def parse_message_update(self, data: Any) -> None:
        """Ignored, as the table of kinds says; discord.py would build a message of each."""


def _dropping(name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    def read(data: Any) -> None:
        try:
            parse(data)
        except MALFORMED as error:
            log.warning("event dropped", name=name, reason=f"malformed: {type(error).__name__}")

    return read


class Connection(discord.Client):
    """One connection, kept alive and resumed by discord.py.

    Attributes:
        is_there: Set once Discord has said who we are; interactions arrive from then on.
    """

    def __init__(
        self,
        *,
        gateway: str,
        proxy: str | None,
        silent_s: float,
        intake: Intake,
        starts: Starts,
        refusals: Refusals,
        on_press: Answer,
        on_message: Callable[[Raw], None],
    ) -> None:
        self._intake = intake
        self._on_message = on_message
        super().__init__(
            intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True),
            proxy=proxy,
            allowed_mentions=NOBODY,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            http_trace=refusals.trace,
            heartbeat_timeout=silent_s,
        )
        self.is_there = asyncio.Event()
        self._gateway = yarl.URL(gateway)
        self._starts = starts
        self._on_press = on_press

    async def hang_up(self) -> None:
        """End a connection that failed or is over; unlike after ``close``, another can be made."""
        if self.ws is not None and self.ws.open:
            await self.ws.close(code=1000)
        await self.http.close()
        if self._ready is not discord.utils.MISSING:  # it has begun to log in at least
            self.clear()
        self.http.connector = discord.utils.MISSING  # it was closed with its session
        self.is_there.clear()

    def handle_again(self, raw: Raw) -> None:
        """Take an interaction or a message as if it had just arrived."""
        self._connection.parsers["MESSAGE_CREATE" if "author" in raw else "INTERACTION_CREATE"](raw)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Called by discord.py before a session begins, also where one could not be resumed."""
        wait_s = await asyncio.to_thread(self._starts.wait_s)
        await asyncio.sleep(max(wait_s, 0.0 if initial else NEXT_IDENTIFY_S))
        await asyncio.to_thread(self._starts.note)

    async def on_connect(self) -> None:
        """A session began; it is resumed at our gateway, where one is set, not at the one Discord names."""
        if self._gateway != yarl.URL(GATEWAY):
            self.ws.gateway = self._gateway
        self.is_there.set()

    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a pressed button, however old its message is; commands go through the menu."""
        if interaction.type in (discord.InteractionType.component, discord.InteractionType.modal_submit):
            await self._on_press(interaction)

    def _get_state(self, **options: Any) -> ConnectionState[Any]:
        """Where discord.py itself lets its own kinds of client put in theirs."""
        return _State(
            self._intake,
            self._on_message,
            dispatch=self.dispatch,
            handlers=self._handlers,
            hooks=self._hooks,
            http=self.http,
            **options,
        )
