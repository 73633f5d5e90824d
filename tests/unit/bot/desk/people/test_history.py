"""The answers about the files of a person's jobs, and credits."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, Original, Quota
from bot.errors import NoSuchJob, NotInPublic, NotYours, PicturesGone
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    Originals,
    Platform,
    Receipt,
)
from bot.policy.rules import Rules, renews_at_s
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, in_group, open_harness


async def test_a_new_person_has_all_credits(harness: DeskHarness) -> None:
    credits = await harness.desk.handle(Quota(), a_context("1"))
    assert credits == CreditBalance(credits=40, daily=40, renews_at_s=renews_at_s(harness.clock() / 1_000))


async def test_a_larger_allowance_counts_on_the_same_day_and_once(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=2)) as harness:
        receipt = await harness.desk.handle(Draw(prompt="a"), a_context("1"))
        assert isinstance(receipt, Receipt)
        clock = harness.clock
    for _ in range(2):
        async with open_harness(tmp_path, rules=Rules(daily_credits=9), clock=clock) as harness:
            credits = await harness.desk.handle(Quota(), a_context("2"))
            assert isinstance(credits, CreditBalance)
            assert (credits.credits, credits.daily) == (8, 9)
            ledger = await harness.store._run("SELECT kind, credits FROM ledger ORDER BY id")
            assert [tuple(row) for row in ledger] == [("allowance", 2), ("charge", -1), ("allowance", 7)]
    async with open_harness(tmp_path, rules=Rules(daily_credits=4), clock=clock) as harness:
        credits = await harness.desk.handle(Quota(), a_context("3"))
        assert isinstance(credits, CreditBalance)
        assert (credits.credits, credits.daily) == (8, 4)  # nothing is taken away
        clock.advance(days=1)
        credits = await harness.desk.handle(Quota(), a_context("4"))
        assert isinstance(credits, CreditBalance)
        assert credits.credits == 8


async def test_a_database_from_before_raises_were_kept_gives_nothing_twice(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=5)) as harness:
        await harness.desk.handle(Draw(prompt="a"), a_context("1"))
        await harness.store._run("UPDATE account SET given = NULL")  # as migration 0002 leaves it
        clock = harness.clock
    async with open_harness(tmp_path, rules=Rules(daily_credits=9), clock=clock) as harness:
        for credits_then in (4, 9):
            credits = await harness.desk.handle(Quota(), a_context("2"))
            assert isinstance(credits, CreditBalance)
            assert credits.credits == credits_then
            clock.advance(days=1)


async def draw(harness: DeskHarness, context: CommandContext, prompt: str, *, private: bool = False) -> str:
    receipt = await harness.desk.handle(Draw(prompt=prompt, private=private), context)
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def test_file_ids_are_kept_by_picture_platform_and_form(harness: DeskHarness) -> None:
    async with harness.running():
        await harness.desk.handle(Draw(prompt="a fox", count=2), a_context("1"))
        [result] = await harness.chat.wait_for_results(1)
    one, two = result.pictures
    for picture, form, file_id in ((one, "photo", "old"), (one, "photo", "new"), (two, "document", "file")):
        await harness.desk.keep_file_id(Platform.TELEGRAM, result.job_id, picture, form, file_id)
    photos = await harness.desk.file_ids(Platform.TELEGRAM, [result.job_id], "photo")
    assert photos == {(result.job_id, 0): "new"}
    assert await harness.desk.file_ids(Platform.DISCORD, [result.job_id], "photo") == {}


async def test_the_files_of_a_job_are_for_whom_it_was_drawn_and_who_saw_it(harness: DeskHarness) -> None:
    async with harness.running():
        await harness.desk.handle(Draw(prompt="open"), a_context("1"))
        await harness.desk.handle(Draw(prompt="secret", private=True), a_context("2"))
        results = {result.private: result for result in await harness.chat.wait_for_results(2)}
    seen, secret = Original(results[False].job_id), Original(results[True].job_id)
    for command, context in ((seen, a_context("3")), (secret, a_context("4")), (seen, a_context("5", "ben"))):
        found = await harness.desk.handle(command, context)
        assert isinstance(found, Originals)
        assert len(found.pictures) == 1
    for command, context in (
        (secret, a_context("6", "ben")),
        (seen, a_context("7", "ben", chat_id="elsewhere")),
    ):
        with pytest.raises(NotYours):
            await harness.desk.handle(command, context)
    with pytest.raises(NotInPublic):
        await harness.desk.handle(secret, in_group("6b"))
    with pytest.raises(NoSuchJob):
        await harness.desk.handle(Original("nothing"), a_context("8"))
    results[False].pictures[0].path.unlink()
    with pytest.raises(PicturesGone):
        await harness.desk.handle(seen, a_context("9"))
    assert await harness.desk.placeholder_of("nothing") is None
    address = await harness.desk.placeholder_of(seen.job_id)
    assert address == a_context("1").address


async def test_a_host_gets_the_files_of_any_job_but_not_where_others_read_along(harness: DeskHarness) -> None:
    secret = await draw(harness, a_context("1"), "secret", private=True)
    async with harness.running():
        await harness.chat.wait_for_results(1)
    found = await harness.desk.handle(Original(secret), a_context("2", HOST, chat_id="elsewhere"))
    assert isinstance(found, Originals)
    assert (found.job_id, len(found.pictures)) == (secret, 1)
    with pytest.raises(NotInPublic) as caught:
        await harness.desk.handle(Original(secret), replace(in_group("3"), user_id=HOST))
    assert caught.value.facts == {"command": "mine"}
