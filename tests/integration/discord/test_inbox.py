"""An acknowledged interaction is answered, even if the process ends right after it."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig, adapter
from bot.chats.discord_.incoming import acknowledgement, inbox
from bot.commands.values import Command, Help
from bot.errors import CannotSave, NoCreditsLeft
from bot.outcomes import CommandContext, CreditBalance, Outcome, Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault, Request
from tests.fakes.discord_payloads import AT_ME, CHANNEL_ID, EPHEMERAL, MEMBER_ID
from tests.fakes.discord_rest import ACKNOWLEDGE_S, Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.unhurried import PATIENCE_S
from tests.integration.discord.conftest import RECEIPT, opened, refusing


async def left_behind(discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk) -> Interaction:
    """Store an interaction as a bot does before it stops; the gateway does not send it again."""
    async with opened(config, desk):
        pass
    asked = await discord.slash("sugar", {"prompt": "a face"})
    event = discord.event_of(asked)
    await desk.store_events(Platform.DISCORD, [(asked.interaction_id, json.dumps(event))])
    return asked


async def test_a_drawing_is_stored_before_it_is_acknowledged_and_settled_after_it_was_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged_when_stored: list[bool] = []
    take_in = desk.store_events

    async def watched(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.05)
        acknowledged_when_stored.extend(bool(asked.callbacks) for asked in discord.interactions.values())
        await take_in(platform, events)

    monkeypatch.setattr(desk, "store_events", watched)
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.settled == [asked.interaction_id])
    assert acknowledged_when_stored == [False]
    assert len(desk.handled) == 1


@pytest.mark.parametrize(("name", "options"), [("quota", {}), ("mine", {}), ("cancel", {}), ("link", {})])
async def test_every_command_is_settled_only_after_its_answer_was_sent(
    discord: FakeDiscord,
    chat: DiscordChat,
    desk: ScriptedDesk,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, object],
) -> None:
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    shown_when_settled: list[str] = []
    settle = desk.finish_event

    async def watched(platform: Platform, event_id: str) -> None:
        shown_when_settled.extend(discord.answer_to(asked)["text"] for asked in discord.interactions.values())
        await settle(platform, event_id)

    monkeypatch.setattr(desk, "finish_event", watched)
    asked = await discord.slash(name, options)
    await until(lambda: desk.settled == [asked.interaction_id])
    assert ["Credits left: 3" in said for said in shown_when_settled] == [True]


async def test_an_accepted_job_is_settled_only_after_its_receipt_was_sent(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    may_go = asyncio.Event()

    async def hold(request: Request) -> None:
        if request.method == "PATCH":
            await may_go.wait()

    discord.before = hold
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.handled)
    await asyncio.sleep(0.05)
    assert not desk.settled
    may_go.set()
    await until(lambda: desk.settled == [asked.interaction_id])


# A disk that accepts nothing.


STORE_TIMEOUT_S = inbox.STORE_TIMEOUT_S  # the tests have more


def test_the_store_timeout_leaves_time_to_acknowledge() -> None:
    assert STORE_TIMEOUT_S <= ACKNOWLEDGE_S - 0.9


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
async def test_a_disk_that_hangs_leads_to_a_private_refusal_in_time_and_nothing_is_accepted(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    monkeypatch.setattr(inbox, "STORE_TIMEOUT_S", 0.1)
    take_in, has_room = desk.store_events, asyncio.Event()

    async def hanging(platform: Platform, events: list[tuple[str, str]]) -> None:
        await has_room.wait()
        await take_in(platform, events)

    monkeypatch.setattr(desk, "store_events", hanging)
    asked = [await discord.slash("sugar", {"prompt": "a face"}, locale=locale) for _ in range(3)]
    await until(lambda: all(one.callbacks for one in asked))
    for one in asked:
        assert one.callbacks[0]["type"] == 4
        assert one.callbacks[0]["data"]["flags"] == EPHEMERAL
        assert ("存" if locale == "zh-CN" else "charged nothing") in one.callbacks[0]["data"]["content"]
    has_room.set()
    monkeypatch.setattr(inbox, "STORE_TIMEOUT_S", PATIENCE_S)
    after = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: after.interaction_id in desk.settled)
    assert [context.event_id for _, context in desk.handled] == [after.interaction_id]
    assert not desk.inbox  # an event stored after its refusal must not return


async def test_a_full_disk_leads_to_a_refusal_at_once_and_help_needs_no_disk(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise CannotSave(detail="database or disk is full")

    monkeypatch.setattr(desk, "store_events", full)
    desk.answer = lambda *_: Help()
    for name in ("quota", "sugar"):
        asked = await discord.slash(name, {"prompt": "a face"} if name == "sugar" else {})
        await until(lambda asked=asked: asked.callbacks)
        assert "can't save anything" in asked.callbacks[0]["data"]["content"]
    assert not desk.handled
    asked = await discord.slash("help")
    await until(lambda: asked.message_id and "/sugar" in discord.answer_to(asked)["text"])


async def test_a_hundred_events_at_once_share_a_few_commits(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    may_store = asyncio.Event()

    async def slow(platform: Platform, events: list[tuple[str, str]]) -> None:
        batches.append(len(events))
        await may_store.wait()

    monkeypatch.setattr(desk, "store_events", slow)
    await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: batches == [1])
    for _ in range(99):
        await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: len(chat._inbox._pending) == 99)
    may_store.set()
    await until(lambda: len(desk.settled) == 100)
    assert batches == [1, 99]


async def test_an_event_that_cannot_be_stored_affects_one_person_only(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.05)
        if any("poison" in payload for _, payload in events):
            raise ValueError("not to be stored")

    monkeypatch.setattr(desk, "store_events", failing)
    prompts = ("a face", "poison", "a face")
    asked = [await discord.slash("sugar", {"prompt": prompt}) for prompt in prompts]
    await until(lambda: all(one.callbacks for one in asked) and len(desk.handled) >= 2)
    assert len(desk.handled) == 2
    (refused,) = [one for one in asked if one.callbacks[0]["type"] == 4]
    assert discord.answer_to(refused)["text"]


@pytest.mark.parametrize("is_accepted", [False, True])
async def test_an_interaction_acknowledged_before_a_crash_gets_its_receipt_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, is_accepted: bool
) -> None:
    asked = await left_behind(discord, config, desk)
    await discord.acknowledge(asked)
    desk.answer = lambda command, context: replace(RECEIPT, repeated=is_accepted)
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
        await until(lambda: "Got it" in discord.answer_to(asked)["text"])
    assert [context.event_id for _, context in desk.handled] == [asked.interaction_id]


async def test_an_acknowledgement_of_which_the_answer_was_lost_loses_no_command(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledgement, "ACK_TIMEOUT_S", 1.0)

    async def answer_late(request: Request) -> None:
        if request.path.endswith("/callback"):
            await until(lambda: desk.settled)

    discord.after = answer_late
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.settled == [asked.interaction_id])
    assert [context.event_id for _, context in desk.handled] == [asked.interaction_id]
    assert "Got it" in discord.answer_to(asked)["text"]


@pytest.mark.parametrize("is_in_time", [True, False])
async def test_an_acknowledgement_that_takes_effect_after_a_first_look_loses_no_command(
    discord: FakeDiscord,
    chat: DiscordChat,
    desk: ScriptedDesk,
    monkeypatch: pytest.MonkeyPatch,
    is_in_time: bool,
) -> None:
    """Else "thinking…" would stay on the screen. One more look is enough: Discord takes no later response."""
    monkeypatch.setattr(acknowledgement, "ACK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(acknowledgement, "LOOK_AGAIN_S", 3.0 if is_in_time else 0.5)

    def has_looked() -> bool:
        return any(one.method == "GET" and one.path.startswith("/webhooks") for one in discord.requests)

    async def take_effect_late(request: Request) -> None:
        if request.path.endswith("/callback"):
            await until(has_looked if is_in_time else lambda: desk.settled)
            await asyncio.sleep(0.1)  # until it knows what it saw

    discord.before = take_effect_late
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.settled == [asked.interaction_id])
    handled = [context.event_id for _, context in desk.handled]
    assert handled == ([asked.interaction_id] if is_in_time else [])
    if is_in_time:
        assert "Got it" in discord.answer_to(asked)["text"]


async def test_what_takes_too_long_at_a_stop_is_ended_and_answered_after_the_next_start(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "DRAIN_TIMEOUT_S", 0.1)
    handle, is_hanging = desk.handle, True

    async def hang(command: Command, context: CommandContext) -> Outcome:
        if is_hanging:
            await asyncio.sleep(60)
        return await handle(command, context)

    monkeypatch.setattr(desk, "handle", hang)
    async with opened(config, desk):
        asked = await discord.slash("sugar", {"prompt": "a face"})
        typed = await discord.send_message(f"{AT_ME} a hare")
        await until(lambda: len(desk.inbox) == 2 and asked.callbacks)
    assert not [
        each for each in asyncio.all_tasks() if each.get_name().startswith(("CommandTree", "discord"))
    ]
    assert desk.settled == []
    is_hanging = False
    async with opened(config, desk):
        await until(lambda: sorted(desk.settled) == sorted([asked.interaction_id, typed]))


async def test_a_response_that_shows_an_answer_after_a_crash_stays_unchanged(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    asked = await left_behind(discord, config, desk)
    await discord.acknowledge(asked)
    discord.answer_to(asked).update(text="the picture", flags=0)
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
        await asyncio.sleep(0.1)
    assert discord.answer_to(asked)["text"] == "the picture"


async def test_an_interaction_that_was_never_acknowledged_is_not_accepted_after_a_crash(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    """Discord answers 10062 by then, and has shown the person an error."""
    asked = await left_behind(discord, config, desk)
    asked.sent_s -= discord.acknowledge_s + 1
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    assert not desk.handled
    assert not asked.callbacks


CREDITS = CreditBalance(3, 20, 1_795_000_000)
Name = str


async def left_by(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, name: Name, **where: object
) -> Interaction:
    """Store a slash command as a bot does before it stops."""
    async with opened(config, desk):
        pass
    asked = await discord.slash(name, {"prompt": "a face"} if name == "sugar" else {}, **where)
    await desk.store_events(Platform.DISCORD, [(asked.interaction_id, json.dumps(discord.event_of(asked)))])
    return asked


async def test_a_plain_answer_that_a_crash_interrupted_is_sent_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    asked = await left_by(discord, config, desk, "quota")
    await discord.acknowledge(asked, secret=True)
    desk.answer = lambda *_: CREDITS
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    assert "Credits left: 3" in discord.answer_to(asked)["text"]


async def test_a_refusal_that_a_crash_interrupted_is_sent_after_it_even_without_a_response(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    desk.answer = refusing(NoCreditsLeft(price=2, credits=1, renews_at_s=5))
    asked = await left_by(discord, config, desk, "sugar")
    await discord.acknowledge(asked)
    del discord.messages[asked.message_id]  # the bot stopped between deleting "thinking…" and the refusal
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    [followup] = asked.followups
    assert "Not enough credits" in discord.messages[followup]["text"]
    assert discord.messages[followup]["flags"] & EPHEMERAL


@pytest.mark.parametrize("name", ["quota", "sugar"])
async def test_an_interaction_found_after_its_token_expired_is_answered_by_a_message(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, name: str
) -> None:
    asked = await left_by(discord, config, desk, name, age_s=16 * 60)
    asked.expired = True
    if name == "quota":
        desk.answer = lambda *_: CREDITS
    channel_id = discord.direct_channel(MEMBER_ID) if name == "quota" else CHANNEL_ID
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    [message] = discord.in_channel(channel_id)
    assert message["text"].startswith(f"<@{MEMBER_ID}> ")
    assert ("Credits left: 3" if name == "quota" else "Got it!") in message["text"]
    assert not asked.callbacks


async def test_an_interaction_that_cannot_be_answered_is_settled(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    asked = await left_by(discord, config, desk, "quota", age_s=16 * 60)
    asked.expired, desk.answer = True, lambda *_: CREDITS
    discord.closed_channels[discord.direct_channel(MEMBER_ID)] = (403, 50007)
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])


async def test_an_answer_that_discord_rejects_for_now_is_sent_after_the_next_start(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    desk.answer = lambda *_: CREDITS
    trouble = Fault("PATCH", "/webhooks", 400, code=50035)
    discord.faults.append(trouble)
    async with opened(config, desk):
        asked = await discord.slash("quota")
        await until(lambda: not trouble.times)
        await asyncio.sleep(0.05)
        assert not desk.settled
    async with opened(config, desk):
        await until(lambda: desk.settled == [asked.interaction_id])
    assert "Credits left: 3" in discord.answer_to(asked)["text"]


async def test_an_event_that_is_stored_at_the_last_moment_is_accepted(
    desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STORE_TIMEOUT_S", 0.0)  # over in the turn in which it is stored
    events = inbox.EventInbox(desk)
    events.mark_seen({"id": "1"})
    await events.store("1")
    assert (list(desk.inbox), desk.settled) == ([(Platform.DISCORD, "1")], [])


async def test_an_event_that_was_forgotten_before_it_was_stored_is_settled(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    await desk.store_events(Platform.DISCORD, [("7", "null")])
    async with opened(config, desk):
        await until(lambda: desk.settled == ["7"])


async def test_the_memory_of_events_is_bounded() -> None:
    events = inbox.EventInbox(ScriptedDesk(lambda *_: CREDITS))
    for number in range(inbox.REMEMBERED_EVENTS + 10):
        events.mark_seen({"id": str(number)})
    assert len(events._seen) == inbox.REMEMBERED_EVENTS
