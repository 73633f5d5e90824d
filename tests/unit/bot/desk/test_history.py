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


async def test_a_larger_allowance_counts_on_the_same_day_and_once(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=Rules(daily_credits=2)) as room:
        receipt = await room.desk.handle(Draw(prompt="a"), a_visit("1"))
        assert isinstance(receipt, Receipt)
        clock = room.clock
    for _ in range(2):
        async with open_room(tmp_path, rules=Rules(daily_credits=9), clock=clock) as room:
            credits = await room.desk.handle(Quota(), a_visit("2"))
            assert isinstance(credits, Credits)
            assert (credits.credits, credits.daily) == (8, 9)
            ledger = await room.store._database._run("SELECT kind, credits FROM ledger ORDER BY id")
            assert [tuple(row) for row in ledger] == [("allowance", 2), ("charge", -1), ("allowance", 7)]
    async with open_room(tmp_path, rules=Rules(daily_credits=4), clock=clock) as room:
        credits = await room.desk.handle(Quota(), a_visit("3"))
        assert isinstance(credits, Credits)
        assert (credits.credits, credits.daily) == (8, 4)  # nothing is taken away
        clock.advance(days=1)
        credits = await room.desk.handle(Quota(), a_visit("4"))
        assert isinstance(credits, Credits)
        assert credits.credits == 8


async def test_a_database_from_before_raises_were_kept_gives_nothing_twice(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=Rules(daily_credits=5)) as room:
        await room.desk.handle(Draw(prompt="a"), a_visit("1"))
        await room.store._database._run("UPDATE account SET given = NULL")  # as migration 0002 leaves it
        clock = room.clock
    async with open_room(tmp_path, rules=Rules(daily_credits=9), clock=clock) as room:
        for credits_then in (4, 9):
            credits = await room.desk.handle(Quota(), a_visit("2"))
            assert isinstance(credits, Credits)
            assert credits.credits == credits_then
            clock.advance(days=1)
