"""How far a job is, as people see it: a bar, and the time until it starts."""

from bot.messages import format_bar, format_outcome, format_status
from bot.outcomes import Address, Platform, Receipt, Recipe, Status
from engine.request import TimeEstimate

HERE = Address(Platform.DISCORD, "1")
RECIPE = Recipe("a face", (), 512, 768, seed=7, count=2, steps=8, typed="a face")


def test_the_bar_grows_over_all_pictures_and_its_cells_differ_by_shape() -> None:
    bars = [
        format_bar(Status("job", HERE, "en", 2, None, index=index, step=step, steps=8))
        for index in range(2)
        for step in range(9)
    ]
    assert {len(bar) for bar in bars} == {10}
    drawn = [bar.count("▰") for bar in bars]
    assert drawn == sorted(drawn)
    assert (drawn[0], drawn[8], drawn[-1]) == (0, 5, 10)
    for before in (Status("job", HERE, "en", 2, 3), Status("job", HERE, "en", 2, None)):
        assert format_bar(before) == ""


def test_an_expected_start_counts_down_where_the_platform_can() -> None:
    wait = TimeEstimate(20.0, 30.0)
    receipt = Receipt("job", RECIPE, price=1, credits_left=1, position=2, wait=wait)
    status = Status("job", HERE, "zh-CN", 1, 0, wait)
    assert "2 ahead of you; expected start: <t:1020:R> – <t:1030:R>." in format_outcome(
        receipt, "en", now_s=1_000
    )
    assert (
        format_status(status, "zh-CN", now_s=1_000) == "下一个就是你，预计开始时间：<t:1020:R> – <t:1030:R>。"
    )
    assert "20–30 s" in format_outcome(receipt, "en")
    soon = Status("job", HERE, "en", 1, 0, TimeEstimate(5.0, 5.2))
    assert format_status(soon, "en", now_s=1_000) == "You are next; expected start: <t:1005:R>."
