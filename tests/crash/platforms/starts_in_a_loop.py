"""A bot that crashes after each start, with a fake clock: how often it identifies to Discord."""

from pathlib import Path

from bot.chats.discord_.limits import DAY_S, IdentifyLimiter
from tests.fakes.clock import FakeClock

NOW_S = 1_790_000_000.0
MAX_STARTS = 2_000


def busiest_day(folder: Path, restart_s: float, days: float = 2.0) -> int:
    """Start a bot every ``restart_s``; return the most identifies in any 24 hours.

    Each start asks the limiter as ``DiscordChat.open`` does and ends at once. A start that may not identify
    yet serves the other chat until its process ends in the same way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock, made = FakeClock(int(1_000 * NOW_S)), list[float]()
    while clock.now_ms < 1_000 * (NOW_S + days * DAY_S) and len(made) < MAX_STARTS:
        starts = IdentifyLimiter(folder / "starts.json", lambda: clock.now_ms / 1_000)
        if (wait_s := starts.wait_s()) == 0:
            starts.record()
            made.append(clock.now_ms / 1_000)
            wait_s = restart_s
        # Every start before that time would also be refused, so it is skipped.
        clock.advance(seconds=max(restart_s, wait_s - wait_s % restart_s))
    return max(sum(at_s - DAY_S < other <= at_s for other in made) for at_s in made)
