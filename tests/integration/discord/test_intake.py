"""An interaction that was acknowledged is answered, also when the process ends right after."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.values import Quota
from bot.desk.outcomes import Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import ACKNOWLEDGE_S, Asked, FakeDiscord
from tests.integration.discord.conftest import RECEIPT, opened


async def left_behind(discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk) -> Asked:
    """An interaction that a bot stored before it ended; the gateway will not send it again."""
    async with opened(config, desk):
        pass
    asked = await discord.slash("sugar", {"prompt": "a face"})
    event = discord.event_of(asked)
    await desk.take_in(Platform.DISCORD, [(asked.interaction_id, json.dumps(event))])
    return asked


async def test_a_drawing_is_stored_before_it_is_acknowledged_and_settled_after_it_was_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged_when_stored: list[bool] = []
    take_in = desk.take_in

    async def watched(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.05)
        acknowledged_when_stored.extend(bool(asked.callbacks) for asked in discord.asked.values())
        await take_in(platform, events)

    monkeypatch.setattr(desk, "take_in", watched)
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.settled == [asked.interaction_id])
    assert acknowledged_when_stored == [False]
    assert len(desk.handled) == 1


async def test_what_costs_nothing_is_not_stored(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda command, visit: command  # type: ignore[assignment, return-value]
    await discord.slash("quota")
    await until(lambda: desk.handled)
    assert isinstance(desk.handled[0][0], Quota)
    assert not desk.settled


async def test_a_hundred_at_once_share_a_few_commits(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    async def slow(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.02)
        batches.append(len(events))

    monkeypatch.setattr(desk, "take_in", slow)
    for _ in range(100):
        await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: len(desk.settled) == 100)
    assert sum(batches) == 100
    assert len(batches) < 50


async def test_an_event_that_cannot_be_stored_costs_one_person_an_apology_and_nobody_else(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.05)
        if any("poison" in payload for _, payload in events):
            raise ValueError("not to be stored")

    monkeypatch.setattr(desk, "take_in", failing)
    prompts = ("a face", "poison", "a face")
    asked = [await discord.slash("sugar", {"prompt": prompt}) for prompt in prompts]
    await until(lambda: all(one.callbacks for one in asked) and len(desk.handled) >= 2)
    assert len(desk.handled) == 2
    (refused,) = [one for one in asked if one.callbacks[0]["type"] == 4]
    assert discord.shown(refused)["content"]


@pytest.mark.parametrize("is_accepted", [False, True])
async def test_what_was_acknowledged_before_a_crash_gets_its_receipt_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, is_accepted: bool
) -> None:
    asked = await left_behind(discord, config, desk)
    await discord.acknowledge(asked)
    desk.answer = lambda command, visit: replace(RECEIPT, repeated=is_accepted)
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
        await until(lambda: "Got it" in discord.shown(asked)["content"])
    assert [visit.event_id for _, visit in desk.handled] == [asked.interaction_id]


async def test_what_shows_more_than_thinking_after_a_crash_is_left_as_it_is(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    asked = await left_behind(discord, config, desk)
    await discord.acknowledge(asked)
    discord.shown(asked).update(content="the picture", flags=0)
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
        await asyncio.sleep(0.1)
    assert discord.shown(asked)["content"] == "the picture"


async def test_what_was_never_acknowledged_is_not_accepted_after_a_crash(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    """Discord answers 10062 by then, and has told the person that we did not answer."""
    asked = await left_behind(discord, config, desk)
    asked.asked_s -= ACKNOWLEDGE_S + 1
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    assert not desk.handled
    assert not asked.callbacks
