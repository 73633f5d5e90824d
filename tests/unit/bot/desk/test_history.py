"""What a person is told of the past, and of the money."""

from pathlib import Path

from bot.commands.values import Draw, Mine, Quota
from bot.desk.outcomes import Credits, History, JobState, Receipt
from bot.policy.price import renews_at_s
from bot.policy.rules import Rules
from tests.fakes.room import Room, a_visit, open_room


async def test_a_stranger_has_a_full_purse_and_no_history(room: Room) -> None:
    credits = await room.desk.handle(Quota(), a_visit("1"))
    assert credits == Credits(credits=40, daily=40, renews_at_s=renews_at_s(room.clock() / 1_000))
    assert await room.desk.handle(Mine(), a_visit("2")) == History(())


async def test_history_is_newest_first_ones_own_and_limited(room: Room) -> None:
    for n in range(4):
        await room.desk.handle(Draw(prompt=f"face {n}"), a_visit(str(n)))
        room.clock.advance(seconds=1)
    await room.desk.handle(Draw(prompt="another's"), a_visit("x", "ben"))
    history = await room.desk.handle(Mine(limit=3), a_visit("m"))
    assert isinstance(history, History)
    assert [entry.recipe.prompt for entry in history.entries] == ["face 3", "face 2", "face 1"]
    assert {entry.state for entry in history.entries} == {JobState.QUEUED}
    for limit in (-5, 0, 10**9):
        assert isinstance(await room.desk.handle(Mine(limit=limit), a_visit("m")), History)


async def test_a_larger_allowance_fills_up_the_next_day(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=Rules(daily_credits=2)) as room:
        receipt = await room.desk.handle(Draw(prompt="a"), a_visit("1"))
        assert isinstance(receipt, Receipt)
        clock = room.clock
    async with open_room(tmp_path, rules=Rules(daily_credits=9), clock=clock) as room:
        clock.advance(days=1)
        credits = await room.desk.handle(Quota(), a_visit("2"))
        assert isinstance(credits, Credits)
        assert (credits.credits, credits.daily) == (9, 9)
