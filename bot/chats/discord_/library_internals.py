"""The parts of discord.py that its documentation does not promise. No other module uses them.

A new version of discord.py may drop any of these names. ``test_library_internals`` has one test for each
name; a failing test says which name is missing and what the bot needs it for.
"""

import asyncio
import inspect
import json
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route
from discord.state import ConnectionState

from bot.chats.event_table import RawEvent

Interaction = discord.Interaction[discord.Client]
CommandTree = app_commands.CommandTree[discord.Client]
log = structlog.get_logger()
SUGGEST_TIMEOUT_S = 3.0
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors that reading an event raises if the event does not match Discord's documentation."""

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # the bot does not use voice


def set_endpoints(api_base: str, gateway: str) -> None:
    """Point discord.py at these addresses; its classes hold them, so they are valid for the whole process."""
    Route.BASE = api_base.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    discord.client.DiscordWebSocket = TolerantSocket  # type: ignore[misc]  # ``Client.connect`` uses it


class TolerantSocket(DiscordWebSocket):
    """The gateway's websocket: it drops a frame that it cannot read and keeps the connection."""

    async def received_message(self, msg: Any, /) -> None:
        """Read a frame; lone surrogates in its text are replaced."""
        if isinstance(msg, bytes):
            msg = await self._decompress(msg)
            if msg is None:
                return
        try:
            await super().received_message(_replace_surrogates(msg))
        except MALFORMED as error:
            log.warning("frame dropped", reason=f"malformed: {type(error).__name__}")

    async def _decompress(self, data: bytes) -> str | None:
        """The text of a frame; None for a part of one. A broken stream needs a new connection."""
        try:
            return self._decompressor.decompress(data)
        except (zlib.error, ValueError):
            log.warning("gateway stream broken", reason="wrong compression; connecting again")
            await self.close()
            raise ReconnectWebSocket(self.shard_id) from None


def _replace_surrogates(text: str) -> str:
    """JSON without lone surrogates: neither the parser nor a database accepts them."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()


class _FilteringState(ConnectionState[discord.Client]):
    """discord.py's parser of events: it drops an event that it cannot read and keeps the connection."""

    def __init__(
        self, accepts: Callable[[RawEvent], bool], on_message: Callable[[RawEvent], None], **options: Any
    ) -> None:
        self._accepts = accepts
        self._on_message = on_message
        super().__init__(**options)
        self.parsers = {name: _dropping_malformed(name, parse) for name, parse in self.parsers.items()}

    def parse_interaction_create(self, data: Any) -> None:
        if self._accepts(data):
            super().parse_interaction_create(data)

    def parse_message_create(self, data: Any) -> None:
        self._on_message(data)

    def parse_message_update(self, data: Any) -> None:
        """Ignored, as the event table says; discord.py would build a message of each."""


def _dropping_malformed(name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    def parse_or_drop(data: Any) -> None:
        try:
            parse(data)
        except MALFORMED as error:
            log.warning("event dropped", name=name, reason=f"malformed: {type(error).__name__}")

    return parse_or_drop


class FilteringClient(discord.Client):
    """A client that filters events before discord.py parses them, and that can connect again.

    Args:
        accepts_interaction: Whether discord.py parses an interaction and dispatches it.
        on_message: Gets every message in place of discord.py.
    """

    def __init__(
        self,
        *,
        accepts_interaction: Callable[[RawEvent], bool],
        on_message: Callable[[RawEvent], None],
        **options: Any,
    ) -> None:
        self._accepts_interaction = accepts_interaction
        self._on_raw_message = on_message
        super().__init__(**options)

    def _get_state(self, **options: Any) -> ConnectionState[Any]:
        return _FilteringState(
            self._accepts_interaction,
            self._on_raw_message,
            dispatch=self.dispatch,
            handlers=self._handlers,
            hooks=self._hooks,
            http=self.http,
            **options,
        )

    @property
    def is_connected(self) -> bool:
        """Whether the gateway's websocket is open; discord.py opens another one after it was closed."""
        return self.ws is not None and self.ws.open

    async def disconnect(self) -> None:
        """End the connection; unlike after ``close``, ``login`` and ``connect`` work again."""
        if self.is_connected:
            await self.ws.close(code=1000)
        await self.http.close()
        if self._ready is not discord.utils.MISSING:  # set by ``login``
            self.clear()
        self.http.connector = discord.utils.MISSING  # the old connector was closed with its session

    def parse_event(self, event: RawEvent) -> None:
        """Take an interaction or a message as if the gateway had just sent it."""
        self._connection.parsers["MESSAGE_CREATE" if "author" in event else "INTERACTION_CREATE"](event)

    def set_resume_gateway(self, gateway: str) -> None:
        """Resume the session at this address in place of the one that Discord named."""
        self.ws.gateway = yarl.URL(gateway)


class TolerantTree(CommandTree):
    """A command tree that also answers commands that Discord knows and the bot does not.

    Args:
        on_unknown: Answers such a command, and one whose payload is malformed.
    """

    def __init__(self, client: discord.Client, on_unknown: Callable[[Interaction], Awaitable[None]]) -> None:
        super().__init__(client)
        self._on_unknown = on_unknown

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Discord still shows an older menu, or the type of an option changed."""
        log.info("command not read", interaction_id=interaction.id, reason=type(error).__name__)
        if interaction.type is discord.InteractionType.autocomplete:
            await self._suggest_nothing(interaction)
        else:
            await self._on_unknown(interaction)

    async def _call(self, interaction: Interaction) -> None:
        """Run the command; a malformed payload counts as an unknown command."""
        try:
            await super()._call(interaction)
        except MALFORMED as error:
            reason = f"malformed: {type(error).__name__}"
            log.warning("command not read", interaction_id=interaction.id, reason=reason)
            await self._on_unknown(interaction)
        if interaction.type is discord.InteractionType.autocomplete and not interaction.response.is_done():
            await self._suggest_nothing(interaction)

    async def _suggest_nothing(self, interaction: Interaction) -> None:
        """Answer an unknown option, or one whose suggestions failed."""
        try:
            async with asyncio.timeout(SUGGEST_TIMEOUT_S):
                await interaction.response.autocomplete([])
        except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
            log.info("suggestions not sent", interaction_id=interaction.id, error=type(error).__name__)


def set_parameters(callback: Callable[..., Awaitable[None]], parameters: Sequence[inspect.Parameter]) -> Any:
    """Give the callback of a command these options: discord.py reads them from its signature.

    Returns:
        The callback as ``app_commands.Command`` takes it; its type cannot tell a function from a method.
    """
    first = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    callback.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    return cast(Any, callback)


async def menu_payload(tree: CommandTree, translator: app_commands.Translator) -> list[dict[str, Any]]:
    """The commands of the tree as ``sync`` sends them to Discord, with translations."""
    return [await command.get_translated_payload(tree, translator) for command in tree.get_commands()]


def response_webhook(client: discord.Client, application_id: int, token: str) -> discord.Webhook:
    """The webhook that edits responses to interactions; it uses the client's proxy."""
    webhook = discord.Webhook.partial(application_id, token, client=client)
    webhook.proxy = client.http.proxy  # a partial webhook does not take it from the client
    return webhook


def role_ids(member: discord.Member) -> tuple[int, ...]:
    """The roles that Discord sent with a member; ``roles`` leaves out those that the cache does not know.

    The cache knows no role of a server where the bot has only its commands.
    """
    return tuple(member._roles)


def session_error(error: BaseException | None) -> BaseException | None:
    """The error that ended ``Client.connect``.

    If the very first connection fails, discord.py then fails at its missing socket: the cause is the context.
    """
    return error.__context__ if isinstance(error, AttributeError) else error
