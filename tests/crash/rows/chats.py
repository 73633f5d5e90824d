"""Rows of the two platforms: what people of Discord and Telegram see whatever happens to the bot."""

import tempfile
from functools import cache
from pathlib import Path

from tests.crash import whole_bot
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
    Row("21", "Telegram intake killed", "200 kills, 3,000 messages: 0 lost", telegram_killed),
)
