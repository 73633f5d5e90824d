"""The connection: open, declare the menu, reconnect, resume, close."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from pydantic import SecretStr

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.table import COMMANDS, Right
from bot.errors import PlatformUnreachable, TokenRefused
from bot.outcomes import Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import MANAGE_GUILD
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import opened


async def test_opening_identifies_without_privileged_intents_over_zlib(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    (identity,) = discord.gateway.identified
    assert identity["intents"] == 1 | 1 << 9 | 1 << 12  # servers, messages in servers, direct messages
    assert discord.gateway.compressions == ["zlib-stream"]
    await until(lambda: discord.gateway.heartbeats)


async def test_a_refused_token_raises_token_refused(config: DiscordConfig, desk: ScriptedDesk) -> None:
    chat = DiscordChat(replace(config, token=SecretStr("another")), desk)
    with pytest.raises(TokenRefused) as refused:
        await chat.open()
    await chat.close()
    assert refused.value.facts == {"platform": "discord"}


async def test_a_token_that_only_the_gateway_refuses_raises_token_refused(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    discord.gateway.token = "replaced"
    chat = DiscordChat(replace(config, token=SecretStr("replaced")), desk)
    discord.gateway.refuse_identify = True
    with pytest.raises(TokenRefused):
        await chat.open()
    await chat.close()


async def test_an_absent_api_raises_platform_unreachable(config: DiscordConfig, desk: ScriptedDesk) -> None:
    chat = DiscordChat(replace(config, api_base="http://127.0.0.1:9/api/v10"), desk)
    with pytest.raises(PlatformUnreachable):
        await chat.open()
    await chat.close()


async def test_an_absent_gateway_raises_platform_unreachable(
    config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(replace(config, gateway="ws://127.0.0.1:9/gateway"), desk)
    with pytest.raises(PlatformUnreachable):
        await chat.open()
    await chat.close()


async def test_an_api_that_never_answers_raises_platform_unreachable_in_time(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    discord.faults.append(Fault("GET", "/users/@me", 500, delay_s=1.0))
    chat = DiscordChat(replace(config, open_timeout_s=0.1), desk)
    with pytest.raises(PlatformUnreachable, match="no answer"):
        await chat.open()
    await chat.close()


async def test_a_failed_open_leaves_nothing_behind_and_the_next_one_succeeds(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(replace(config, open_timeout_s=1.0), desk)
    discord.faults.append(Fault("GET", "/users/@me", 403))
    with pytest.raises(PlatformUnreachable):
        await chat.open()
    discord.gateway.is_silent = True
    with pytest.raises(PlatformUnreachable):
        await chat.open()
    await until(lambda: not discord.gateway.connections)
    discord.gateway.is_silent = False
    chat._config = config  # this one must be in time, on a busy machine, too
    await chat.open()
    assert len(discord.gateway.connections) == 1
    asked = await discord.slash("cancel", {})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    await chat.close()
    await until(lambda: not discord.gateway.connections)


@pytest.mark.parametrize("password", ["pass-word", "pä-word", "p@ss-word"])  # aiohttp shows it encoded
async def test_the_error_of_a_refusing_proxy_does_not_contain_its_password(
    config: DiscordConfig, desk: ScriptedDesk, password: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy = f"http://somebody:{password}@127.0.0.1:{port}"
        chat = DiscordChat(replace(config, api_base="https://127.0.0.1:9/api/v10", proxy=proxy), desk)
        with pytest.raises(PlatformUnreachable, match="407") as caught:
            await chat.open()
        await chat.close()
    assert "word" not in str(caught.value)


async def test_closing_twice_or_before_opening_does_nothing(
    config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(config, desk)
    await chat.close()
    await chat.close()


async def test_the_menu_is_declared_again_only_when_it_changed(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    for _ in range(2):
        async with opened(config, desk):
            pass
    assert [request.method for request in discord.requests].count("PUT") == 1
    config.menu_file.write_text("of another version")
    async with opened(config, desk):
        pass
    assert [request.method for request in discord.requests].count("PUT") == 2
    async with opened(replace(config, must_sync=True), desk):  # the host said ``run --sync``
        pass
    assert [request.method for request in discord.requests].count("PUT") == 3


async def test_the_menu_has_both_languages_and_its_contexts(discord: FakeDiscord, chat: DiscordChat) -> None:
    menu = {command["name"]: command for command in discord.commands}
    entries = [entry for entry in COMMANDS if "discord" in entry.menus]
    named = {entry.name.split()[0] for entry in entries} | {
        entry.alone.name for entry in entries if entry.alone
    }
    assert set(menu) == named | {"Remix", "Picture info", "Use as variation"}
    assert menu["sugar"]["name_localizations"]["zh-CN"] == "画图"
    assert menu["sugar"]["contexts"] == [0, 1, 2]
    assert menu["sugar"]["integration_types"] == [0, 1]
    options = {option["name"]: option for option in menu["sugar"]["options"]}
    assert next(iter(options)) == "prompt"
    assert options["seed"]["max_value"] == 2**32 - 1
    assert options["lora"]["autocomplete"]
    assert options["lips"]["autocomplete"]
    assert options["size"]["name_localizations"]["zh-CN"] == "尺寸"
    assert menu["loras"]["name_localizations"]["zh-CN"] == "lora列表"
    switch = next(one for one in menu["lora"]["options"] if one["name"] == "switch")
    assert switch["name_localizations"]["zh-CN"] == "切换"
    where = next(one for one in switch["options"] if one["name"] == "where")
    assert [choice["value"] for choice in where["choices"]] == ["chat", "bot"]


async def test_a_hosts_command_is_declared_for_managers_and_the_list_beside_it_for_everyone(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    menu = {command["name"]: command for command in discord.commands}
    hosts = {
        entry.name.split()[0] for entry in COMMANDS if entry.right is Right.HOST and "discord" in entry.menus
    }
    lora, gpu = menu["lora"], menu["gpu"]
    hosts_own = [menu.pop(name) for name in hosts]
    names = ["list", "info", "switch", "allow", "revoke", "add", "remove", "check", "reload"]
    assert [one["name"] for one in lora["options"]] == names
    [link, file] = next(one["options"] for one in lora["options"] if one["name"] == "add")
    assert (link["type"], file["type"]) == (3, 11), "text and an attachment"
    assert not link["required"]
    assert not gpu["options"]
    for command in hosts_own:
        assert command["default_member_permissions"] == MANAGE_GUILD
        assert command["contexts"] == [0, 1]  # servers and direct messages with the bot
        assert command["integration_types"] == [0]  # installs of servers
    for command in menu.values():
        assert command["default_member_permissions"] is None
        assert command["contexts"] == [0, 1, 2]
        assert command["integration_types"] == [0, 1]
    assert [one["name"] for one in menu["loras"]["options"]] == ["search", "page"]


@pytest.mark.parametrize("how", ["drop", "ask_to_reconnect"])
async def test_a_command_sent_while_disconnected_is_answered_after_the_resume(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, how: str
) -> None:
    await getattr(discord.gateway, how)()
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: discord.gateway.resumed)
    await until(lambda: desk.handled)
    await until(lambda: discord.answer_to(asked)["text"])
    assert len(discord.gateway.identified) == 1


async def test_a_session_that_cannot_be_resumed_is_replaced(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await discord.gateway.invalidate(resumable=False)
    await until(lambda: len(discord.gateway.identified) == 2)
    await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.handled)


async def test_a_bot_that_identified_too_often_does_not_log_in_and_says_when_it_will(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    now_s = time.time()
    config.identifies_file.write_text(json.dumps([now_s - 60 + one for one in range(30)]))
    chat = DiscordChat(config, desk)
    with pytest.raises(PlatformUnreachable, match=r"the next time is in \d+ s"):
        await chat.open()
    await chat.close()
    assert not discord.requests
    assert not discord.gateway.compressions


async def test_each_identify_is_counted_on_the_disk_and_a_resume_is_not(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.discord_.client.NEXT_IDENTIFY_S", 0.01)
    async with opened(config, desk):
        await discord.gateway.ask_to_reconnect()
        await until(lambda: discord.gateway.resumed and discord.gateway.is_connected)
        await discord.gateway.invalidate(resumable=False)
        await until(lambda: len(discord.gateway.identified) == 2)
    assert len(json.loads(config.identifies_file.read_text())) == 2


async def test_a_chat_can_be_opened_again_after_its_session_ended(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(config, desk)
    await chat.open()
    serving = asyncio.create_task(chat.serve())
    await discord.gateway.refuse(4004)
    with pytest.raises(TokenRefused):
        await serving
    await chat.open()
    serving = asyncio.create_task(chat.serve())
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await chat.close()


async def test_a_fault_while_serving_ends_the_session_before_the_chat_is_opened_again(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Platform) -> tuple[tuple[str, str], ...]:
        raise RuntimeError("a fault")

    chat = DiscordChat(config, desk)
    await chat.open()
    with monkeypatch.context() as faulty:
        faulty.setattr(desk, "pending_events", fail)
        with pytest.raises(RuntimeError):
            await chat.serve()
    await until(lambda: not discord.gateway.is_connected)
    await chat.open()
    serving = asyncio.create_task(chat.serve())
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await chat.close()


async def test_a_malformed_event_is_dropped_and_the_connection_stays(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    for odd in ({}, {"id": []}, {"id": "1", "type": 2, "token": 5}, [], "text", None):
        await discord.gateway.dispatch("INTERACTION_CREATE", odd)
    await discord.gateway.dispatch("GUILD_CREATE", {"id": "x"})
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    assert len(discord.gateway.identified) == 1
    assert not discord.gateway.resumed


async def test_a_lone_surrogate_in_a_frame_is_replaced_and_the_connection_stays(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    odd = await discord.slash("sugar", {"prompt": "a \ud800 face \U0001f98a"})
    await until(lambda: odd.message_id and discord.answer_to(odd)["text"])
    await discord.send_message("\udfff fox", in_guild=False)
    await until(lambda: len(desk.handled) == 2)
    assert [getattr(command, "prompt", "") for command, _ in desk.handled] == ["a ? face \U0001f98a", "? fox"]
    assert len(discord.gateway.identified) == 1
    assert not discord.gateway.resumed


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no JSON",
        '{"op": 0, "s": 5',
        "[]",
        "null",
        "7",
        '{"op": "x"}',
        '{"op": 99, "d": {}}',
        '{"op": 10, "d": null}',
        '{"op": 0, "t": 5, "d": []}',
        '{"op": 0, "t": "SOMETHING_NEW", "d": {"id": "1"}}',
        '{"op": 0, "t": "INTERACTION_CREATE"}',
        '{"op": 0, "t": "RESUMED", "d": null}',
        '{"op": 0, "t": "READY", "d": {"user": 5}, "s": 1}',
        '{"op": 0, "t": "MESSAGE_CREATE", "d": {"content": "\\ud83d"}}',
    ],
)
async def test_a_malformed_frame_is_dropped_and_the_connection_stays(
    discord: FakeDiscord, chat: DiscordChat, frame: str
) -> None:
    await discord.gateway.send_frame(frame)
    asked = await discord.slash("cancel", {})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    assert len(discord.gateway.identified) == 1
    assert not discord.gateway.resumed


async def test_a_connection_with_wrong_compression_is_replaced(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    await discord.gateway.send_bytes(b"rubbish\x00\x00\xff\xff")
    await until(lambda: discord.gateway.resumed)
    asked = await discord.slash("cancel", {})
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])


async def test_a_token_replaced_while_serving_ends_serve(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(config, desk)
    await chat.open()
    serving = asyncio.create_task(chat.serve())
    await discord.gateway.refuse(4004)
    with pytest.raises(TokenRefused):
        await serving
    await chat.close()


async def test_the_representation_of_the_config_has_no_secret(config: DiscordConfig) -> None:
    assert config.token.get_secret_value() not in repr(config)


async def test_everything_goes_through_the_proxy(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    """``.invalid`` never resolves, so a request without the proxy fails. The server is its own proxy here."""
    proxied = replace(
        config,
        api_base="http://discord.invalid/api/v10",
        gateway="ws://discord.invalid/gateway",
        proxy=discord.api_base.removesuffix("/api/v10"),
    )
    async with opened(proxied, desk):
        asked = await discord.slash("sugar", {"prompt": "a face"})
        await until(lambda: asked.message_id and discord.answer_to(asked)["text"])


def test_no_warning_of_a_missing_voice_library_is_logged() -> None:
    script = (
        "import logging; logging.basicConfig()\n"
        "from bot.chats.discord_.client import DiscordClient\n"
        "from bot.chats.discord_.limits import RefusalCounter\n"
        "DiscordClient(gateway='', proxy=None, heartbeat_timeout_s=60, inbox=None, identifies=None,"
        "              refusals=RefusalCounter(), on_press=None, on_message=None)"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stderr) == (0, "")


async def test_the_chat_counts_as_connected_while_the_gateway_is_open(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    chat = DiscordChat(config, desk)
    assert not chat.is_connected
    await chat.open()
    serving = asyncio.create_task(chat.serve())
    assert chat.is_connected
    await discord.gateway.close()
    await discord._runner.cleanup()  # Discord is gone, and discord.py tries to reach it
    await until(lambda: not chat.is_connected)
    assert not serving.done()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await chat.close()
