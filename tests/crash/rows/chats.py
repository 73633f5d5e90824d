"""Rows of the two platforms: what people of Discord and Telegram see whatever happens to the bot."""

import asyncio
import math
import tempfile
from functools import cache
from pathlib import Path

from tests.crash import whole_bot
from tests.crash.platforms import (
    burst,
    discord_jobs,
    gateway_drops,
    malformed,
    quiet_weeks,
    starts_in_a_loop,
    telegram_jobs,
)
from tests.crash.rows import Measured, Row, Scale

KILLS_A_RUN = 50
ENOUGH_KILLS = 200  # for a rate
ORPHANS_PER_KILL = 0.2  # placeholder texts; never pictures
REACH_BACK_S = 10.0
REACH_IDENTIFIES = 300  # of the 1,000 after which Discord resets the token
REACH_REFUSED = 500  # of the 10,000 in ten minutes after which it shuts us out


@cache
def _killed(kills: int) -> whole_bot.Finding:
    """One series of runs serves two rows; each is over before Discord's tokens are 15 minutes old."""
    return whole_bot.add_up([_run(seed) for seed in range(1, 1 + math.ceil(kills / KILLS_A_RUN))])


@cache
def _run(seed: int) -> whole_bot.Finding:
    with tempfile.TemporaryDirectory(prefix="sugarbot-crash-") as folder:
        return whole_bot.run(Path(folder), KILLS_A_RUN, seed=seed)


def whole_bot_killed(scale: Scale) -> Measured:
    """Kill the process again and again while people of both platforms use it."""
    found = _killed(scale.of(50, 1_000))
    said = f"{found.met}, {found.jobs:,} jobs, {found.laws}"
    return Measured(said, not found.broken)


def seen_twice(scale: Scale) -> Measured:
    """What people saw twice in those same runs.

    Placeholder texts stood twice at 0.075 a kill in 200 kills while eight people wrote; by chance 50 kills
    can be above 0.2. A short form that is above goes on to 200 kills, for which the same bound holds.
    """
    kills = scale.of(50, 1_000)
    found = _killed(kills)
    if found.orphans > ORPHANS_PER_KILL * found.kills:
        found = _killed(max(kills, ENOUGH_KILLS))
    said = (
        f"{found.kills:,} kills: {len(found.doubled)} jobs with pictures shown twice; {found.orphans} "
        f"placeholder texts twice, {found.left_open} Telegram albums left to /mine"
    )
    return Measured(
        said, not (found.doubled or found.broken) and found.orphans <= ORPHANS_PER_KILL * found.kills
    )


def telegram_killed(scale: Scale) -> Measured:
    """Kill it while many messages wait at Telegram."""
    found = whole_bot.run(scale.folder, scale.of(10, 200), acts_each=15, is_on_discord=False)
    said = f"{found.met}, {found.messages:,} messages, {found.jobs:,} jobs, {found.laws}"
    return Measured(said, not found.broken and not found.doubled)


def flooded(scale: Scale) -> Measured:
    """End many jobs of one Telegram group at the same moment, on a clock that jumps."""
    jobs = scale.of(60, 200)
    found = telegram_jobs.flood(scale.folder, jobs)
    said = (
        f"{found.delivered} of {jobs} pictures in {found.minutes:.1f} min of the group's time, "
        f"{found.refused} RetryAfter, at most {found.busiest_minute} messages in any minute"
    )
    return Measured(said, found.delivered == jobs and found.refused <= 1 and found.busiest_minute <= 20)


def quiet_for_weeks(scale: Scale) -> Measured:
    """After each week of silence Telegram goes on with lower or random update ids."""
    weeks = scale.of(50, 1_000)
    said, skipped = quiet_weeks.quiet_weeks(weeks)
    return Measured(f"{weeks:,} quiet weeks, {said:,} messages, {skipped} skipped", not skipped)


def tokens_dead(scale: Scale) -> Measured:
    """Jobs that end after the fifteen minutes in which Discord lets an answer be edited."""
    found = asyncio.run(discord_jobs.late(scale.folder, scale.of(30, 500)))
    said = (
        f"{found.shown_once} of {found.jobs} shown once, {found.moved} of them moved on in the twelfth "
        f"minute, {found.by_token} requests by a dead token"
    )
    return Measured(said, found.shown_once == found.jobs and not found.by_token)


def line_dropped(scale: Scale) -> Measured:
    """Lose the gateway's line in five ways while commands are given."""
    count = scale.of(30, 1_000)
    found = gateway_drops.drops(scale.folder, count)
    said = (
        f"{len(found.back_s):,} drops, {found.commands:,} commands, {found.twice} handled twice, "
        f"{found.lost} lost of resumed sessions; back after {found.p95_s:.2f} s (p95), "
        f"{found.back_s[-1]:.2f} s at most, silence noticed after {gateway_drops.SILENT_S} s in place of 60, "
        f"a new session {gateway_drops.NEXT_IDENTIFY_S} s in place of 5"
    )
    holds = len(found.back_s) == count and not found.twice and not found.lost and found.p95_s <= REACH_BACK_S
    return Measured(said, holds)


def crash_loop(scale: Scale) -> Measured:
    """A process that is started again and again for two days, at several paces."""
    busiest = {
        restart_s: starts_in_a_loop.busiest_day(scale.folder / f"{restart_s}", restart_s)
        for restart_s in ((5.0,) if not scale.is_long else (0.5, 1.0, 5.0, 30.0, 120.0, 300.0))
    }
    most = max(busiest.values())
    paces = ", ".join(f"{restart_s:g} s" for restart_s in busiest)
    said = f"two days of restarts every {paces}: at most {most} IDENTIFY in any 24 h"
    return Measured(said, 0 < most <= REACH_IDENTIFIES)


def stormy(scale: Scale) -> Measured:
    """A quarter of all requests fails in some way, on both platforms; then nobody takes messages."""
    for name in ("discord", "telegram"):
        (scale.folder / name).mkdir()
    discord = asyncio.run(discord_jobs.stormy(scale.folder / "discord", scale.of(20, 300)))
    telegram = telegram_jobs.stormy(scale.folder / "telegram", scale.of(60, 500))
    twice = discord.twice + telegram.twice
    said = (
        f"Discord: {discord.jobs} jobs, {discord.faults} faults, {discord.shown_once} shown once; with as "
        f"many closed channels {discord.most_refused} refused requests in all. Telegram: "
        f"{telegram.pictures} pictures, {telegram.faults} faults, {telegram.left_open} albums left to /mine. "
        f"Shown twice: {twice}"
    )
    holds = (
        not twice
        and discord.shown_once == discord.jobs
        and discord.most_refused < REACH_REFUSED
        and telegram.shown >= telegram.pictures - 2 * telegram.left_open
    )
    return Measured(said, holds)


def rushed(scale: Scale) -> Measured:
    """Five hundred people at the same moment while a worker process renders; in the long form also spread."""
    (at_once := scale.folder / "at once").mkdir()
    found = burst.measure_burst(at_once, scale.of(200, 500))
    said = f"{len(found.acknowledged_s)} at once: {found.summary}"
    holds = found.holds(is_alone=scale.is_long)
    if scale.is_long:
        (spread := scale.folder / "spread").mkdir()
        over = burst.measure_burst(spread, 3_000, over_s=60.0)
        said += f"; 3,000 within a minute: {over.summary}"
        holds = holds and over.holds(is_alone=True)
    return Measured(said, holds)


def malformed_input(scale: Scale) -> Measured:
    """Payloads of both platforms and texts with parts missing or replaced."""
    count = scale.of(1_000, 50_000)
    try:
        found = malformed.check_malformed_input(scale.folder, count)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
        return Measured(f"not handled: {error!r}"[:300].replace("|", "/").replace("\n", " "), holds=False)
    answered = sum(times for what, times in found.items() if what.endswith(("answered", "understood")))
    refused = found["texts refused"]
    dropped = sum(times for what, times in found.items() if what.endswith("dropped"))
    said = (
        f"{count:,} inputs, 0 unhandled: {answered:,} answered or understood, {refused:,} texts refused with "
        f"their reason (each read as a command and as a button), {dropped:,} dropped with a reason"
    )
    return Measured(said, holds=True)


ROWS = (
    Row(
        "1b",
        "kill -9 of the whole bot, both platforms",
        "1,000 kills: 0 lost, 0 charged twice, 0 charged without a picture, ledger exact, all results shown",
        whole_bot_killed,
    ),
    Row(
        "5",
        "shown twice after the kills of row 1b",
        "0 pictures on any delivery path; at most 0.2 placeholder texts per kill",
        seen_twice,
    ),
    Row(
        "21",
        "kill -9 while many messages wait at Telegram",
        "200 kills, 3,000 messages: 0 lost",
        telegram_killed,
    ),
    Row("22", "update ids restart after a quiet week", "0 messages skipped", quiet_for_weeks),
    Row(
        "23a",
        "500 people at once while the worker renders",
        "acknowledged within 1.0 s (p99.9), event-loop lag at most 50 ms (p99)",
        rushed,
    ),
    Row(
        "24",
        "jobs that end after Discord's 15 minutes",
        "500 of 500 delivered without the token",
        tokens_dead,
    ),
    Row(
        "25",
        "gateway connection lost: op 7, op 9, reset, silence",
        "1,000 drops: 0 commands handled twice, back within 10 s (p95)",
        line_dropped,
    ),
    Row("26", "a process that crashes all day", "at most 300 IDENTIFY in 24 h", crash_loop),
    Row(
        "27",
        "many responses of 429, 5xx, and 502 after the action",
        "0 shown twice, fewer than 500 requests refused in 10 min",
        stormy,
    ),
    Row(
        "28",
        "200 jobs of one Telegram group end at once",
        "0 RetryAfter after the first, at most 20 messages/min",
        flooded,
    ),
    Row("29", "malformed payloads and texts", "50,000 inputs, 0 unhandled", malformed_input),
)
