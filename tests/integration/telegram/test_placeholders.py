"""Placeholders show the newest status within the rate limits."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from telegram import Bot

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.placeholders import ACTION_GAP_S, PlaceholderEditor
from bot.chats.telegram_.rate_limiter import MESSAGES_PER_SECOND, RateLimiter
from bot.outcomes import JobState
from tests.fakes.telegram_app import make_result, make_status
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Sent
from tests.fakes.telegram_world import World

HERE = ChatAddress(11, message_id=50)


@pytest.fixture(autouse=True)
def placeholders(world: World) -> None:
    for chat_id in (11, 12):
        world.messages[chat_id, 50] = Sent(chat_id, 50, "text", "waiting")


async def test_the_first_and_the_newest_of_many_statuses_are_shown(
    chat: TelegramChat, server: TelegramServer, world: World
) -> None:
    began_s = asyncio.get_running_loop().time()
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: "1 of 8" in world.texts(11)[0])
    for step in range(2, 9):
        await chat.show(make_status(HERE, step=step))
    await server.until(lambda: "8 of 8" in world.texts(11)[0])
    _, second = server.named("editMessageText")
    assert second.at_s - began_s >= 1.0  # the first may arrive late, so it is no measure


async def test_a_waiting_job_shows_its_position_and_no_upload_action(
    chat: TelegramChat, server: TelegramServer, world: World
) -> None:
    await chat.show(make_status(HERE, position=3))
    await server.until(lambda: "3 ahead" in world.texts(11)[0])
    assert not world.actions


async def test_not_modified_is_success_and_the_next_status_is_shown(
    chat: TelegramChat, server: TelegramServer, world: World
) -> None:
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: len(server.named("editMessageText")) == 1)
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: len(server.named("editMessageText")) == 2)
    await chat.show(make_status(HERE, step=2))
    await server.until(lambda: "2 of 8" in world.texts(11)[0])


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_a_flooded_chat_gets_no_edit_until_later_and_then_the_newest(
    chat: TelegramChat, server: TelegramServer, world: World
) -> None:
    server.fail("editMessageText", 429, "Too Many Requests: retry after 2", retry_after=2)
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: server.named("editMessageText"))
    await chat.show(make_status(ChatAddress(12, message_id=50), step=5))
    await server.until(lambda: "5 of 8" in world.texts(12)[0])
    await chat.show(make_status(HERE, step=4))
    await server.until(lambda: "4 of 8" in world.texts(11)[0])
    flooded, *later = [call for call in server.named("editMessageText") if call.params["chat_id"] == "11"]
    assert min(call.at_s for call in later) - flooded.at_s >= 2.0


@pytest.mark.parametrize("fault", [(403, "Forbidden: bot was blocked by the user"), (502, "Bad Gateway")])
async def test_a_status_that_cannot_be_shown_stops_nothing(
    chat: TelegramChat, server: TelegramServer, world: World, fault: tuple[int, str]
) -> None:
    server.fail("editMessageText", *fault)
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: server.named("editMessageText"))
    await chat.show(make_status(ChatAddress(12, message_id=50), step=5))
    await server.until(lambda: "5 of 8" in world.texts(12)[0])


async def test_a_job_without_a_placeholder_shows_nothing(chat: TelegramChat, server: TelegramServer) -> None:
    await chat.show(make_status(ChatAddress(11), step=1))
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: server.named("editMessageText"))
    assert len(server.named("editMessageText")) == 1


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_a_status_that_met_a_flood_limit_does_not_follow_the_result(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    server.delays_s["editMessageText"] = 0.2
    server.fail("editMessageText", 429, "Too Many Requests: retry after 1", retry_after=1)
    await chat.show(make_status(HERE, step=7))
    await server.until(lambda: server.named("editMessageText"))
    await chat.deliver(make_result(HERE, tmp_path, state=JobState.FAILED))
    texts = world.texts(11)
    await asyncio.sleep(2.5)  # the pause, and the gap after which the editor edits again
    assert world.texts(11) == texts
    assert "7 of 8" not in texts[0]


async def test_the_editor_forgets_chats_that_saw_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("bot.chats.telegram_.outgoing.placeholders.time.monotonic", lambda: now_s)

    class Acting:
        async def send_chat_action(self, *_: object) -> None:
            pass

    editor = PlaceholderEditor(cast(Bot, Acting()), RateLimiter())
    for chat_id in range(1, 50_001):
        now_s += 1 / MESSAGES_PER_SECOND
        await editor._show_upload_action(chat_id, make_status(ChatAddress(chat_id, message_id=1), step=1))
    assert len(editor._action_sent_at_s) <= ACTION_GAP_S * MESSAGES_PER_SECOND + 1
