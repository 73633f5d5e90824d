"""Rows of the two platforms: what people of Discord and Telegram see whatever happens to the bot."""

import tempfile
from functools import cache
from pathlib import Path

from tests.crash import whole_bot
from tests.crash.platforms import telegram_flood
from tests.crash.rows import Measured, Row, Scale

ORPHANS_PER_KILL = 0.2  # placeholder texts; never pictures


@cache
def _killed(kills: int) -> whole_bot.Finding:
    """One run serves two rows."""
    with tempfile.TemporaryDirectory(prefix="sugarbot-crash-") as folder:
        return whole_bot.run(Path(folder), kills)


def whole_bot_killed(scale: Scale) -> Measured:
    """Kill the process again and again while people of both platforms use it."""
    found = _killed(scale.of(50, 1_000))
    said = f"{found.met}, {found.jobs:,} jobs, {found.laws}"
    return Measured(said, not found.broken)


def seen_twice(scale: Scale) -> Measured:
    """What people saw twice in that same run."""
    found = _killed(scale.of(50, 1_000))
    said = (
        f"{found.kills:,} kills: {len(found.doubled)} jobs with pictures shown twice; {found.orphans} "
        f"placeholder texts twice, {found.left_open} Telegram albums left to /mine"
    )
    return Measured(said, not found.doubled and found.orphans <= ORPHANS_PER_KILL * found.kills)


def telegram_killed(scale: Scale) -> Measured:
    """Kill it while many messages wait at Telegram."""
    found = whole_bot.run(scale.folder, scale.of(10, 200), acts_each=15, is_on_discord=False)
    said = f"{found.met}, {found.messages:,} messages, {found.jobs:,} jobs, {found.laws}"
    return Measured(said, not found.broken and not found.doubled)


def flooded(scale: Scale) -> Measured:
    """End many jobs of one Telegram group at the same moment, on a clock that jumps."""
    jobs = scale.of(60, 200)
    found = telegram_flood.flood(scale.folder, jobs)
    said = (
        f"{found.delivered} of {jobs} pictures in {found.minutes:.1f} min of the group's time, "
        f"{found.refused} RetryAfter, at most {found.busiest_minute} messages in any minute"
    )
    return Measured(said, found.delivered == jobs and found.refused <= 1 and found.busiest_minute <= 20)


ROWS = (
    Row(
        "1b",
        "kill -9 of the whole bot, both platforms",
        "1,000 kills: 0 lost, 0 charged twice, 0 charged without a picture, ledger exact, all told",
        whole_bot_killed,
    ),
    Row(
        "5",
        "seen twice after those kills",
        "0 pictures on any path of ours; placeholder texts at most 0.2 a kill",
        seen_twice,
    ),
    Row(
        "28",
        "200 jobs of one Telegram group end at once",
        "0 RetryAfter beyond the first, 20/min kept",
        flooded,
    ),
    Row("21", "Telegram intake killed", "200 kills, 3,000 messages: 0 lost", telegram_killed),
)
