"""The names of discord.py that its documentation does not promise: one test for each.

A failing test means that the installed discord.py no longer has a name as the bot uses it. Change
``library_internals`` alone: the last tests make sure that no other module uses such a name.
"""

import ast
import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import HTTPClient, Route
from discord.state import ConnectionState

from bot.chats import discord_
from bot.chats.discord_ import library_internals
from bot.chats.discord_.client import API_BASE, GATEWAY
from bot.chats.discord_.library_internals import FilteringClient, TolerantSocket, TolerantTree

PACKAGE = Path(discord_.__file__).parent
VERSION = discord.__version__


def missing(name: str, purpose: str) -> str:
    return f"discord.py {VERSION} has no {name} as the bot uses it: {purpose}"


@pytest.fixture
def client() -> FilteringClient:
    return FilteringClient(
        accepts_interaction=lambda event: True, on_message=lambda event: None, intents=discord.Intents.none()
    )


@pytest.fixture
def endpoints() -> Iterator[None]:
    """discord.py keeps the endpoints for the whole process, so they are restored."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.client.DiscordWebSocket
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before[:2]
    discord.client.DiscordWebSocket = before[2]  # type: ignore[misc]


def test_route_base_is_the_address_of_every_request(endpoints: None) -> None:
    library_internals.set_endpoints("http://127.0.0.1:1/api/v10/", GATEWAY)
    url = Route("GET", "/users/@me").url
    assert url == "http://127.0.0.1:1/api/v10/users/@me", missing("Route.BASE", "the address of the API")


def test_default_gateway_is_the_address_of_a_new_session(endpoints: None) -> None:
    library_internals.set_endpoints(API_BASE, "ws://127.0.0.1:1/")
    assert "DEFAULT_GATEWAY" in inspect.getsource(DiscordWebSocket.from_client), missing(
        "DiscordWebSocket.DEFAULT_GATEWAY", "the address of the gateway"
    )
    assert yarl.URL("ws://127.0.0.1:1/") == DiscordWebSocket.DEFAULT_GATEWAY


def test_connect_takes_the_websocket_class_from_the_client_module(endpoints: None) -> None:
    library_internals.set_endpoints(API_BASE, GATEWAY)
    assert discord.client.DiscordWebSocket is TolerantSocket
    assert "DiscordWebSocket.from_client" in inspect.getsource(discord.Client.connect), missing(
        "discord.client.DiscordWebSocket", "a frame that cannot be read must not end the connection"
    )


def test_received_message_gets_every_frame() -> None:
    assert list(inspect.signature(DiscordWebSocket.received_message).parameters) == ["self", "msg"], missing(
        "DiscordWebSocket.received_message", "a frame that cannot be read must not end the connection"
    )
    assert "self.received_message" in inspect.getsource(DiscordWebSocket.poll_event)


async def test_the_websocket_has_a_decompressor() -> None:
    socket = DiscordWebSocket(socket=None, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    assert callable(getattr(getattr(socket, "_decompressor", None), "decompress", None)), missing(
        "DiscordWebSocket._decompressor", "a broken stream must lead to a new connection"
    )


def test_reconnect_websocket_asks_for_a_resume() -> None:
    assert ReconnectWebSocket(None).resume is True, missing(
        "ReconnectWebSocket", "a broken stream must lead to a new connection"
    )


async def test_the_websocket_has_a_gateway_for_the_resume() -> None:
    assert "self.ws.gateway" in inspect.getsource(discord.Client.connect), missing(
        "DiscordWebSocket.gateway", "a session is resumed at the gateway that the host set"
    )


async def test_the_websocket_says_whether_it_is_open() -> None:
    assert isinstance(inspect.getattr_static(DiscordWebSocket, "open", None), property), missing(
        "DiscordWebSocket.open", "an open connection is closed before the next one starts"
    )


def test_the_client_asks_get_state_for_its_state(client: FilteringClient) -> None:
    assert type(client._connection).__name__ == "_FilteringState", missing(
        "Client._get_state", "events are filtered before discord.py parses them"
    )


def test_the_state_takes_the_arguments_that_the_client_gives_it() -> None:
    names = {"dispatch", "handlers", "hooks", "http"}
    assert names <= set(inspect.signature(ConnectionState.__init__).parameters), missing(
        "ConnectionState(dispatch, handlers, hooks, http)", "events are filtered before they are parsed"
    )


@pytest.mark.parametrize("name", ["_handlers", "_hooks", "_ready", "_connection", "http", "ws"])
def test_the_client_has_this_attribute(name: str) -> None:
    plain = discord.Client(intents=discord.Intents.none())
    assert hasattr(plain, name), missing(f"Client.{name}", "the state of the client, and a clean disconnect")


@pytest.mark.parametrize("event", ["interaction_create", "message_create", "message_update"])
def test_the_state_parses_this_event_by_a_method_of_its_own(event: str, client: FilteringClient) -> None:
    assert hasattr(ConnectionState, f"parse_{event}"), missing(
        f"ConnectionState.parse_{event}", "the bot filters this event"
    )
    assert event.upper() in client._connection.parsers


def test_the_websocket_takes_the_parsers_of_the_state() -> None:
    source = inspect.getsource(DiscordWebSocket.from_client)
    assert "_connection.parsers" in source, missing(
        "ConnectionState.parsers", "an event that cannot be parsed must not end the connection"
    )


def test_ready_is_missing_before_the_first_login() -> None:
    plain = discord.Client(intents=discord.Intents.none())
    assert plain._ready is discord.utils.MISSING, missing(
        "Client._ready", "a client that never logged in has nothing to clear"
    )


def test_login_makes_a_new_connector_if_there_is_none(client: FilteringClient) -> None:
    assert client.http.connector is discord.utils.MISSING
    assert "self.connector is MISSING" in inspect.getsource(HTTPClient.static_login), missing(
        "HTTPClient.connector", "the bot can connect again after a disconnect"
    )


def test_a_webhook_uses_the_proxy_of_the_client() -> None:
    proxied = discord.Client(intents=discord.Intents.none(), proxy="http://127.0.0.1:1")
    proxied.http._HTTPClient__session = object()  # type: ignore[attr-defined]  # as after a login
    webhook = library_internals.response_webhook(proxied, 1, "token")
    assert webhook.proxy == "http://127.0.0.1:1", missing(
        "HTTPClient.proxy or Webhook.proxy", "answers go through the proxy of the host"
    )


async def test_the_tree_runs_every_command_through_call(client: FilteringClient) -> None:
    async def on_unknown(interaction: object) -> None: ...

    assert "self._call" in inspect.getsource(app_commands.CommandTree._from_interaction), missing(
        "CommandTree._call", "a malformed command is answered"
    )
    assert type(TolerantTree(client, on_unknown))._call is TolerantTree._call


def test_a_command_reads_its_options_from_the_signature_of_its_callback() -> None:
    async def callback(interaction: Any, **options: Any) -> None: ...

    count = inspect.Parameter("count", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=int)
    command: Any = app_commands.Command(
        name="draw", description="d", callback=library_internals.set_parameters(callback, [count])
    )
    assert [(one.name, one.required) for one in command.parameters] == [("count", False)], missing(
        "Command options from __signature__", "options are made from the command table"
    )


async def test_a_command_has_a_payload_with_translations(client: FilteringClient) -> None:
    class Upper(app_commands.Translator):
        async def translate(self, string: Any, locale: Any, context: Any) -> str | None:
            return "画图" if locale is discord.Locale.chinese else None

    async def callback(interaction: Any) -> None: ...

    async def on_unknown(interaction: object) -> None: ...

    tree = TolerantTree(client, on_unknown)
    made = library_internals.set_parameters(callback, [])
    name = app_commands.locale_str("draw")
    tree.add_command(app_commands.Command(name=name, description="d", callback=made))
    (payload,) = await library_internals.menu_payload(tree, Upper())
    assert payload["name_localizations"] == {"zh-CN": "画图"}, missing(
        "Command.get_translated_payload", "the menu is declared again only if it changed"
    )


@pytest.mark.parametrize("name", ["warn_nacl", "warn_dave"])
def test_the_warning_of_a_missing_voice_library_can_be_switched_off(name: str) -> None:
    assert f"VoiceClient.{name}" in inspect.getsource(discord.Client.__init__), missing(
        f"VoiceClient.{name}", "a host who needs no voice gets no warning"
    )
    assert getattr(discord.VoiceClient, name) is False


def test_a_first_connection_that_fails_has_its_cause_as_context() -> None:
    cause = OSError("no route")
    failed = AttributeError("'NoneType' object has no attribute 'sequence'")
    failed.__context__ = cause
    assert library_internals.session_error(failed) is cause
    assert library_internals.session_error(cause) is cause
    assert library_internals.session_error(None) is None


def test_a_member_has_the_ids_of_roles_that_the_cache_does_not_know(client: FilteringClient) -> None:
    guild = discord.Object(1)
    data: Any = {"user": {"id": "2", "username": "a", "discriminator": "0", "avatar": None}, "roles": ["7"]}
    member = discord.Member(data={**data, "flags": 0}, guild=guild, state=client._connection)  # type: ignore[arg-type]
    assert library_internals.role_ids(member) == (7,), missing("Member._roles", "the tiers by roles")


INTERNAL_MODULES = {"discord.gateway", "discord.http", "discord.state", "discord.client", "discord.webhook"}
INTERNAL_ATTRIBUTES = {
    "http",
    "ws",
    "parsers",
    "connector",
    "get_translated_payload",
    "__signature__",
    "warn_nacl",
    "warn_dave",
}


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(PACKAGE.rglob("*.py")) if file.name != "library_internals.py"],
    ids=lambda file: str(file.relative_to(PACKAGE)),
)
def test_no_other_module_uses_internals_of_discord_py(file: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in INTERNAL_MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_private = node.attr.startswith("_") and not node.attr.startswith("__") and not is_own
            if is_private or node.attr in INTERNAL_ATTRIBUTES:
                found.append(ast.unparse(node))
    assert not found, "move it to library_internals.py and test the name here"
