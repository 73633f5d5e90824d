"""A banned person reads how long, why, and what to do."""

from bot.errors import Banned, BannedForNow
from bot.messages import format_error

REASON = "posted " + "the same picture " * 9


def test_a_ban_names_its_end_and_its_reason_in_full() -> None:
    assert format_error(Banned(reason=""), "en").endswith("/mine, /export and /delete.")
    assert format_error(Banned(reason=REASON.strip()), "en").endswith(f"The reason: {REASON.strip()}")
    until = format_error(BannedForNow(reason="刷屏", until_s=1_800_000_000), "zh-CN")
    assert "2027-01-15 08:00 UTC 恢复" in until
    assert until.endswith("可以用。原因：刷屏")
