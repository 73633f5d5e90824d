"""The answers about a person's earlier jobs and credits."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, Mine, Original, Quota
from bot.errors import NoSuchJob, NotInPublic, NotYours, PicturesGone
from bot.outcomes import (
    Address,
    CommandContext,
    CreditBalance,
    History,
    JobState,
    Originals,
    Platform,
    Receipt,
    Undeliverable,
)
from bot.policy.rules import Rules, renews_at_s
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness


async def test_a_new_person_has_all_credits_and_no_history(harness: DeskHarness) -> None:
    credits = await harness.desk.handle(Quota(), a_context("1"))
    assert credits == CreditBalance(credits=40, daily=40, renews_at_s=renews_at_s(harness.clock() / 1_000))
    assert await harness.desk.handle(Mine(), a_context("2")) == History(())


async def test_history_is_newest_first_ones_own_and_limited(harness: DeskHarness) -> None:
    for n in range(4):
        await harness.desk.handle(Draw(prompt=f"face {n}"), a_context(str(n)))
        harness.clock.advance(seconds=1)
    await harness.desk.handle(Draw(prompt="another's"), a_context("x", "ben"))
    history = await harness.desk.handle(Mine(limit=3), a_context("m"))
    assert isinstance(history, History)
    assert [entry.recipe.prompt for entry in history.entries] == ["face 3", "face 2", "face 1"]
    assert {entry.state for entry in history.entries} == {JobState.QUEUED}
    for limit, count in ((-5, 1), (0, 1), (2, 2), (10**9, 4)):
        history = await harness.desk.handle(Mine(limit=limit), a_context("m"))
        assert isinstance(history, History)
        assert len(history.entries) == count


async def test_no_history_is_longer_than_fifty_jobs(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=99, max_waiting=99)) as harness:
        for number in range(52):
            await harness.desk.handle(Draw(prompt="a"), a_context(str(number)))
        history = await harness.desk.handle(Mine(limit=99), a_context("m"))
    assert isinstance(history, History)
    assert len(history.entries) == 50


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


def in_group(event: str, chat_id: str = "group", private_address: Address | None = None) -> CommandContext:
    return replace(a_context(event, chat_id=chat_id), is_group=True, private_address=private_address)


async def draw(harness: DeskHarness, context: CommandContext, prompt: str, *, private: bool = False) -> str:
    receipt = await harness.desk.handle(Draw(prompt=prompt, private=private), context)
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def test_a_group_sees_only_what_was_drawn_openly_in_it(harness: DeskHarness) -> None:
    own = Address(Platform.CONSOLE, "ann alone")
    await draw(harness, in_group("1"), "an open face")
    await draw(harness, in_group("2", private_address=own), "a secret face", private=True)
    await draw(harness, in_group("3", chat_id="other group"), "another group's face")
    await draw(harness, a_context("4", chat_id="ann alone"), "a face drawn alone")
    history = await harness.desk.handle(Mine(), in_group("m"))
    assert isinstance(history, History)
    assert [entry.recipe.prompt for entry in history.entries] == ["an open face"]
    assert history.hidden == 3
    alone = await harness.desk.handle(Mine(), a_context("n", chat_id="ann alone"))
    assert isinstance(alone, History)
    assert (len(alone.entries), alone.hidden) == (4, 0)


async def test_hidden_jobs_do_not_shorten_a_group_s_list(harness: DeskHarness) -> None:
    shown = [await draw(harness, in_group(str(number)), "open") for number in range(2)]
    for number in range(2):
        await draw(harness, a_context(f"alone {number}", chat_id="ann alone"), "alone")
    history = await harness.desk.handle(Mine(limit=2), in_group("m"))
    assert isinstance(history, History)
    assert [entry.job_id for entry in history.entries] == shown[::-1]
    assert history.hidden == 2


async def test_a_kept_private_picture_does_not_come_to_a_group(harness: DeskHarness) -> None:
    own = Address(Platform.CONSOLE, "ann alone")
    harness.chat.errors.extend([Undeliverable("blocked")] * 3)
    open_job = await draw(harness, in_group("1"), "open")
    secret = await draw(harness, in_group("2", private_address=own), "secret", private=True)
    alone = await draw(harness, a_context("3", chat_id="ann alone"), "alone")
    async with harness.running():
        await until_kept(harness, 3)
        await harness.desk.handle(Mine(), in_group("m"))
        [result] = await harness.chat.wait_for_results(1)
        assert (result.job_id, result.address.chat_id) == (open_job, "group")
        await until_kept(harness, 2)
        await harness.desk.handle(Mine(), a_context("n", chat_id="ann alone"))
        results = await harness.chat.wait_for_results(3)
    assert {result.job_id for result in results[1:]} == {secret, alone}
    assert {result.address.chat_id for result in results[1:]} == {"ann alone"}


async def until_kept(harness: DeskHarness, wanted: int) -> None:
    async with asyncio.timeout(5):
        while True:
            rows = await harness.store._run(
                "SELECT total(state = 'kept'), total(state NOT IN ('kept', 'sent')) FROM outbox"
            )
            if tuple(rows[0]) == (wanted, 0):
                return
            await asyncio.sleep(0.002)


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


async def test_deleted_pictures_are_counted_and_the_others_are_listed(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="a", count=3), a_context("1"))
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    result.pictures[1].path.unlink()
    history = await harness.desk.handle(Mine(), a_context("2"))
    assert isinstance(history, History)
    [entry] = history.entries
    assert ([picture.index for picture in entry.pictures], entry.missing) == ([0, 2], 1)
    found = await harness.desk.handle(Original(result.job_id), a_context("3"))
    assert isinstance(found, Originals)
    assert [picture.index for picture in found.pictures] == [0, 2]


async def test_mine_without_kept_results_wakes_no_delivery(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="a"), a_context("1"))
    harness.desk.parts.result_ready[Platform.CONSOLE].clear()
    await harness.desk.handle(Mine(), a_context("2"))
    assert not harness.desk.parts.result_ready[Platform.CONSOLE].is_set()


async def test_a_history_has_each_job_s_own_pictures(harness: DeskHarness) -> None:
    for number, count in enumerate((1, 3)):
        await harness.desk.handle(Draw(prompt="a", count=count), a_context(str(number)))
        harness.clock.advance(seconds=1)
    async with harness.running():
        await harness.chat.wait_for_results(2)
    history = await harness.desk.handle(Mine(), a_context("m"))
    assert isinstance(history, History)
    assert [len(entry.pictures) for entry in history.entries] == [3, 1]
    assert all(one.path.name.startswith(entry.job_id) for entry in history.entries for one in entry.pictures)
