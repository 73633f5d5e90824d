"""The bot's requests take effect, and are answered, at random moments, while people draw, press and cancel.

At the end each platform must show what the desk knows: every picture once, and nothing that still waits.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

from bot.chats.telegram_ import rate_limiter
from bot.desk.desk import Desk
from bot.outcomes import Platform
from bot.policy.rules import Rules
from bot.store import Store
from tests.crash.laws import UNFINISHED
from tests.crash.platforms import discord_jobs
from tests.fakes.desk_harness import open_harness
from tests.fakes.discord_payloads import LOADING
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person

PAUSED, LONGEST_S = 0.4, 0.3  # the share of requests that wait, before and after their effect, and how long
THINKS_S = 0.4  # a person at most, between two actions
STEP_S = 0.004
ALL_S, QUIET_LOOKS = 300.0, 10
PRESSED = ("reroll", "repeat", "vary", "larger", "delete", "cancel", "cancel", "edit", "original")
RULES = Rules(allow=frozenset({"discord:*", "telegram:*"}), daily_credits=10_000, max_waiting=100)
PICTURES_OF = (
    "SELECT id, (SELECT count(*) FROM picture WHERE job = job.id AND job.deleted_ms IS NULL) FROM job"
)


@dataclass(frozen=True)
class LateFinding:
    """What one platform shows after the last answer.

    Attributes:
        waiting: The texts of messages whose job has ended and that show it as waiting.
        miscounted: The jobs whose pictures are not shown once each.
    """

    jobs: int
    waiting: tuple[str, ...]
    miscounted: tuple[str, ...]


def _pauses(random: Random) -> Callable[[object], Awaitable[None]]:
    async def pause(_: object) -> None:
        await asyncio.sleep(LONGEST_S * random.random() if random.random() < PAUSED else 0.0)

    return pause


@patch.object(rate_limiter, "GROUP_MESSAGES_PER_MINUTE", 10_000)  # with the limits, groups need minutes
@patch.object(rate_limiter, "GROUP_EDIT_GAP_S", 0.1)
@patch.object(rate_limiter, "PRIVATE_EDIT_GAP_S", 0.1)
async def on_telegram(folder: Path, people: int, actions: int, seed: int) -> LateFinding:
    """Let people act in private chats and in groups of their own; half of the groups allow no reactions."""
    server, renderer = TelegramServer(), FakeRenderer(step_s=STEP_S)
    server.before = server.after = _pauses(Random(seed))
    groups = [Group(-100_000 - number) for number in range(people)]
    server.world.no_reactions |= {group.id for group in groups[::4]}
    async with (
        server,
        open_harness(folder, rules=RULES, renderer=renderer) as harness,
        serving(server, harness.desk) as chat,
    ):
        run = asyncio.create_task(harness.desk.run({Platform.TELEGRAM: chat}), name="desk")
        async with asyncio.TaskGroup() as acting:
            for number, group in enumerate(groups):
                where = group if number % 2 == 0 else None
                acts = _act_on_telegram(
                    server, Person(1_000 + number), where, Random(f"{seed} {number}"), actions
                )
                acting.create_task(acts, name=f"person {number}")
        jobs = await _all_ended(harness.store, harness.desk, Platform.TELEGRAM)
        await harness.desk.drain(5.0)
        await run
    messages = server.world.messages.values()
    return _compare(
        jobs,
        tuple(each.text for each in messages if any(":cancel:" in data for _, data in each.buttons)),
        [each.file_name.split("-")[1] for each in messages if each.kind == "photo"],
    )


async def _act_on_telegram(
    server: TelegramServer, person: Person, group: Group | None, random: Random, actions: int
) -> None:
    world, chat_id = server.world, group.id if group else person.id
    for number in range(actions):
        buttons = [
            (sent, label)
            for sent in world.in_chat(chat_id)
            for label, data in sent.buttons
            if data.split(":")[1] in PRESSED
        ]
        kind = random.random()
        if kind < 0.35 or not buttons:
            count = random.choice(("", " -n 2"))
            world.say(f"/sugar face {number} --again{count}", by=person, group=group)
        elif kind < 0.45:
            world.say("/cancel", by=person, group=group)
        else:
            sent, label = random.choice(buttons)
            for _ in range(_presses(dict(sent.buttons)[label])):
                world.press(sent, label, by=person)
        await server.wake()
        await asyncio.sleep(THINKS_S * random.random())


def _presses(data: str) -> int:
    """How often a person presses this button until it works."""
    return 2 if data.split(":")[1] == "delete" else 1


async def on_discord(folder: Path, people: int, actions: int, seed: int) -> LateFinding:
    """Let people act in one channel."""
    renderer = FakeRenderer(step_s=STEP_S)
    async with discord_jobs.running_bot(folder, renderer, RULES) as bot:
        bot.discord.before = bot.discord.after = _pauses(Random(seed))
        async with asyncio.TaskGroup() as acting:
            for number in range(people):
                acts = _act_on_discord(bot.discord, number, Random(f"{seed} {number}"), actions)
                acting.create_task(acts, name=f"person {number}")
        jobs = await _all_ended(bot.store, bot.desk, Platform.DISCORD)
        messages = [(each, bot.discord.buttons(each["id"])) for each in bot.discord.messages.values()]
    return _compare(
        jobs,
        tuple(
            each["text"] or "thinking"
            for each, buttons in messages
            if each["flags"] & LOADING or any(":cancel:" in one.get("custom_id", "") for one in buttons)
        ),
        [
            one["filename"].split("-")[1]
            for each, buttons in messages
            if any(":reroll:" in button.get("custom_id", "") for button in buttons)  # no file sent again
            for one in each["attachments"]
        ],
    )


async def _act_on_discord(discord: FakeDiscord, number: int, random: Random, actions: int) -> None:
    asked, user_id = list[Interaction](), str(900_000_000_000_000_100 + number)
    for action in range(actions):
        buttons = [
            (one.message_id, data)
            for one in asked
            if one.message_id in discord.messages
            for button in discord.buttons(one.message_id)
            if (data := button.get("custom_id", "")).split(":")[1:2] and data.split(":")[1] in PRESSED
        ]
        kind = random.random()
        if kind < 0.35 or not buttons:
            options = {"prompt": f"face {number} {action}", "count": random.choice((1, 2))}
            asked.append(await discord.slash("sugar", options, user_id=user_id))
        elif kind < 0.45:
            await discord.slash("cancel", {}, user_id=user_id)
        else:
            message_id, data = random.choice(buttons)
            for _ in range(_presses(data)):
                asked.append(await discord.press(message_id, data, user_id=user_id))
        await asyncio.sleep(THINKS_S * random.random())


async def _all_ended(store: Store, desk: Desk, platform: Platform) -> dict[str, int]:
    """Wait until nothing is left to do; return how many pictures each job has."""
    looks = 0
    async with asyncio.timeout(ALL_S):
        while looks < QUIET_LOOKS:
            [left] = await store._run(UNFINISHED)
            looks = 0 if left[0] or await desk.pending_events(platform) else looks + 1
            await asyncio.sleep(LONGEST_S / 2)
    return dict(await store._run(PICTURES_OF))  # type: ignore[arg-type]  # rows are pairs


def _compare(jobs: dict[str, int], waiting: tuple[str, ...], pictures: Iterable[str]) -> LateFinding:
    """Compare the pictures of each job with those shown; ``pictures`` has the job of each."""
    shown = Counter(pictures)
    return LateFinding(
        len(jobs), waiting, tuple(job_id for job_id in jobs | shown if shown[job_id] != jobs.get(job_id))
    )
