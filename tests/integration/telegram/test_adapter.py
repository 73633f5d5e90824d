"""Opening: the token is checked, menus are declared once, waiting updates stay, logs contain no secret."""

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest
import structlog
from structlog.typing import EventDict

from bot.chats.telegram_ import TelegramChat, TelegramConfig, menus
from bot.chats.telegram_.menus import menu_commands
from bot.cli.logs import open_log
from bot.commands.table import Right, telegram_menu
from bot.desk.people.claim_file import issue_claim
from bot.errors import PlatformUnreachable, TokenRefused
from bot.policy.rules import Rules
from tests.fakes.desk import ScriptedDesk
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_values import GROUPS, Person
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import serve_bot

HOST = Person(1, "The host")


def names(world: World, chat_id: int, code: str) -> list[str]:
    """The commands of one menu."""
    return [command["command"] for command in world.menus[chat_id, code]]


async def test_menus_are_declared_in_both_languages_and_only_when_they_changed(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    async with serving(server, desk):
        pass
    expected = [row.telegram_name for row in telegram_menu(for_host=False)]
    assert names(world, 0, "") == names(world, 0, "zh") == expected
    in_groups = [name for name in expected if name not in ("link", "unlink")]
    assert names(world, GROUPS, "") == names(world, GROUPS, "zh") == in_groups
    assert len(server.named("setMyCommands")) == 4
    world.menus[0, "zh"][0]["description"] = "old"
    async with serving(server, desk):
        pass
    assert len(server.named("setMyCommands")) == 5


async def test_the_hosts_commands_are_only_in_the_menus_of_the_hosts_own_chats(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.say("/start", by=HOST)
    desk.host_ids = (str(HOST.id),)
    async with serving(server, desk):
        await server.until(lambda: (HOST.id, "zh") in world.menus)
    hosts_own = {row.telegram_name for row in telegram_menu(for_host=True) if row.right is Right.HOST}
    assert hosts_own >= {"lora_switch", "lora_add", "lora_remove", "lora_check", "lora_reload", "gpu"}
    for code in ("", "zh"):
        assert hosts_own.isdisjoint(names(world, 0, code))
        assert set(names(world, HOST.id, code)) == hosts_own | set(names(world, 0, code))
    assert world.menus[HOST.id, "zh"] == [row.to_dict() for row in menu_commands("zh-CN", for_host=True)]
    read = len(server.named("getMyCommands"))
    async with serving(server, desk):
        await server.until(lambda: len(server.named("getMyCommands")) == read + 6)
    assert len(server.named("setMyCommands")) == 6


async def test_whoever_claims_the_bot_gets_the_menu_at_once_and_a_former_host_loses_it(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), Rules()) as harness:
        code = issue_claim(tmp_path, harness.clock.now_ms, SystemRandom())
        world.say(f"/claim {code}", by=HOST)
        await server.until(lambda: (HOST.id, "zh") in world.menus)
        assert "lora_switch" in names(world, HOST.id, "")
        harness.desk.parts.rules.replace_decisions(hosts=(), allow=(), bans=())
        await server.until(lambda: not {(HOST.id, ""), (HOST.id, "zh")} & world.menus.keys())


async def test_a_menu_that_telegram_did_not_accept_is_declared_again(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(menus, "RETRY_AFTER_S", 0.01)
    async with serving(server, desk):
        world.say("/start", by=HOST)
        server.fail("setMyCommands", 500, "Internal Server Error")
        desk.host_ids = (str(HOST.id),)
        await server.until(lambda: (HOST.id, "zh") in world.menus)


async def test_a_host_who_never_wrote_is_logged_and_gets_the_menu_at_a_later_start(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    world.say("/start", by=HOST)
    desk.host_ids = ("2", str(HOST.id))
    async with serving(server, desk):
        await server.until(lambda: any(event["event"] == "host menu not declared" for event in events))
    logged = [event for event in events if event["event"] == "host menu not declared"]
    assert logged == [
        {
            "event": "host menu not declared",
            "log_level": "info",
            "user_id": 2,
            "reason": "Chat not found",
        }
    ]
    assert "lora_switch" in names(world, HOST.id, "")
    world.say("/start", by=Person(2, "The other host"))
    async with serving(server, desk):
        await server.until(lambda: (2, "zh") in world.menus)
    assert names(world, 2, "") == names(world, HOST.id, "")
    assert len(server.named("setMyCommands")) == 8


async def test_updates_that_waited_while_the_bot_was_down_are_answered(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.say("a fox")
    async with serving(server, desk):
        await server.until(lambda: desk.handled)
    assert server.named("deleteWebhook")[0].params.get("drop_pending_updates", "false") == "false"
    assert "offset" not in server.named("getUpdates")[0].params


@pytest.mark.parametrize("code", [401, 404])
async def test_a_token_that_telegram_refuses_raises_token_refused(
    server: TelegramServer, desk: ScriptedDesk, code: int
) -> None:
    server.fail("getMe", code, "Unauthorized")
    with pytest.raises(TokenRefused) as caught:
        async with serving(server, desk, token="987654321:" + "x" * 35):
            pass
    assert caught.value.facts == {"platform": "telegram"}
    assert caught.value.__suppress_context__


async def test_an_unreachable_server_is_reported_without_the_token(desk: ScriptedDesk) -> None:
    chat = TelegramChat(TelegramConfig(TOKEN, "http://127.0.0.1:9/bot"), desk)
    try:
        with pytest.raises(PlatformUnreachable) as caught:
            await chat.open()
    finally:
        await chat.close()
    assert caught.value.facts["platform"] == "telegram"
    assert TOKEN not in str(caught.value)


async def test_the_proxy_is_used(server: TelegramServer, desk: ScriptedDesk) -> None:
    seen: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readline())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        config = TelegramConfig(TOKEN, server.base_url, proxy=f"http://127.0.0.1:{port}")
        chat = TelegramChat(config, desk)
        with pytest.raises(PlatformUnreachable):
            await chat.open()
        await chat.close()
    assert seen[0].startswith(f"POST {server.base_url}".encode())


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything any library logs, as the bot would write it with every logger wide open."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    open_log(verbose=True, stream=stream)
    root.handlers = [logging.StreamHandler(stream)]  # without the strike, which is tested elsewhere
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_the_token_and_the_prompt_never_reach_the_log(
    server: TelegramServer, world: World, desk: ScriptedDesk, lines: io.StringIO
) -> None:
    logging.getLogger("httpx").setLevel(logging.DEBUG)  # as a host might, before the chat is made
    server.fail("sendMessage", 502, "Bad Gateway")
    async with serving(server, desk):
        world.say("a very private fox")
        await server.until(lambda: "j1" in desk.addresses)
        server.fail("getUpdates", 409, "Conflict: terminated by other getUpdates request")
        world.say("another private fox")
        await server.until(lambda: "j2" in desk.addresses)
    with pytest.raises(TokenRefused):
        async with serving(server, desk, token=TOKEN[:-1]):
            pass
    assert lines.getvalue()
    assert TOKEN[:-1] not in lines.getvalue()
    assert "private fox" not in lines.getvalue()
    assert TOKEN not in repr(TelegramConfig(TOKEN))
    assert "secret" not in repr(TelegramConfig(TOKEN, proxy="http://host:secret@127.0.0.1"))
