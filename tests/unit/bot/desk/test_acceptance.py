"""Acceptance: one job and one charge for a message, and nothing at all for a refusal."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bot.commands.values import Cancel, Delete, Draw, LoraWish, Mine, Quota, Reroll
from bot.desk.acceptance import new_job_id
from bot.errors import (
    ChatNotAllowed,
    Closing,
    EmptyPrompt,
    NoCreditsLeft,
    NoPrivateChat,
    NoSuchJob,
    NotInPublic,
    NotYours,
    PersonError,
    TooManyWaiting,
    UnknownLora,
)
from bot.outcomes import Address, CommandContext, CreditBalance, Platform, Receipt
from bot.policy.rules import Rules, renews_at_s
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness

FACE = Draw(prompt="a face", count=2, seed=7)


async def rows_in(harness: DeskHarness, table: str) -> int:
    return int((await harness.store._run(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608


async def test_a_receipt_means_one_job_one_origin_one_charge(harness: DeskHarness) -> None:
    receipt = await harness.desk.handle(FACE, a_context("1"))
    assert isinstance(receipt, Receipt)
    assert (receipt.price, receipt.credits_left, receipt.position, receipt.repeated) == (2, 38, 0, False)
    assert [await rows_in(harness, table) for table in ("job", "origin", "ledger", "outbox")] == [1, 1, 2, 0]


async def test_a_second_event_with_the_same_id_makes_no_second_job(harness: DeskHarness) -> None:
    first = await harness.desk.handle(FACE, a_context("1"))
    again = await harness.desk.handle(Draw(prompt="something else"), a_context("1"))
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (again.job_id, again.recipe, again.credits_left) == (
        first.job_id,
        first.recipe,
        first.credits_left,
    )
    assert again.repeated
    assert again.address == Address(Platform.CONSOLE, "here", "ref-1")
    assert await rows_in(harness, "job") == 1


async def test_fifty_equal_events_at_the_same_moment_make_one_job(harness: DeskHarness) -> None:
    answers = await asyncio.gather(*(harness.desk.handle(FACE, a_context("1")) for _ in range(50)))
    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len({receipt.job_id for receipt in receipts}) == 1
    assert sum(not receipt.repeated for receipt in receipts) == 1
    assert await rows_in(harness, "job") == 1


async def test_the_same_id_from_another_platform_is_another_message(harness: DeskHarness) -> None:
    first = await harness.desk.handle(FACE, a_context("1"))
    other = await harness.desk.handle(FACE, a_context("1", platform=Platform.WEB))
    assert isinstance(first, Receipt)
    assert isinstance(other, Receipt)
    assert first.job_id != other.job_id


async def test_a_repeated_receipt_has_the_address_of_its_placeholder(harness: DeskHarness) -> None:
    receipt = await harness.desk.handle(FACE, a_context("1"))
    assert isinstance(receipt, Receipt)
    placeholder = Address(Platform.CONSOLE, "here", '{"message": 5}')
    await harness.desk.store_placeholder(receipt.job_id, placeholder)
    again = await harness.desk.handle(FACE, a_context("1"))
    assert isinstance(again, Receipt)
    assert again.address == placeholder
    await harness.desk.handle(Cancel(receipt.job_id), a_context("2"))
    await harness.desk.handle(Delete(receipt.job_id), a_context("3"))
    again = await harness.desk.handle(FACE, a_context("1"))
    assert isinstance(again, Receipt)
    assert (again.repeated, again.address) == (True, None)  # a placeholder would wait for ever


async def test_a_refusal_changes_nothing(harness: DeskHarness) -> None:
    for command, error in (
        (Draw(prompt="  "), EmptyPrompt),
        (Draw(prompt="a", loras=(LoraWish("suger"),)), UnknownLora),
        (Draw(prompt="a", count=41), NoCreditsLeft),
        (Reroll("nothing"), NoSuchJob),
    ):
        with pytest.raises(error):
            await harness.desk.handle(command, a_context("1"))
        assert [await rows_in(harness, table) for table in ("person", "job", "origin", "ledger")] == [
            0,
            0,
            0,
            0,
        ]


async def test_a_chat_that_is_not_served_is_refused_before_anything_else(harness: DeskHarness) -> None:
    for command in (FACE, Mine(), Quota(), Cancel()):
        with pytest.raises(ChatNotAllowed):
            await harness.desk.handle(command, a_context("1", platform=Platform.TELEGRAM))


async def test_credits_run_out_and_come_back_the_next_day(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock, rules=Rules(daily_credits=5, max_waiting=9)) as harness:
        for event in ("1", "2"):
            await harness.desk.handle(FACE, a_context(event))
        with pytest.raises(NoCreditsLeft) as caught:
            await harness.desk.handle(FACE, a_context("3"))
        facts = caught.value.facts
        assert (facts["price"], facts["credits"]) == (2, 1)
        renewal_s = facts["renews_at_s"]
        assert isinstance(renewal_s, int)
        assert 0 < renewal_s - START_MS / 1_000 <= 86_400
        clock.now_ms = renewal_s * 1_000 - 1
        with pytest.raises(NoCreditsLeft):
            await harness.desk.handle(FACE, a_context("3"))
        clock.advance(ms=1)
        receipt = await harness.desk.handle(FACE, a_context("3"))
        assert isinstance(receipt, Receipt)
        assert receipt.credits_left == 3


async def test_a_clock_set_back_gives_no_second_allowance(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock, rules=Rules(daily_credits=5)) as harness:
        await harness.desk.handle(FACE, a_context("1"))
        for days in (-1, 1, -1, 1):
            clock.advance(days=days)
            credits = await harness.desk.handle(Quota(), a_context("2"))
            assert isinstance(credits, CreditBalance)
            assert credits.credits == 3


async def test_a_clock_that_was_far_ahead_takes_no_allowance_of_the_next_days(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock, rules=Rules(daily_credits=5)) as harness:
        clock.advance(days=3_650)  # a machine without a battery starts with any date
        await harness.desk.handle(FACE, a_context("1"))
        clock.advance(days=-3_650)
        for days, credits in ((0, 3), (1, 5)):
            clock.advance(days=days)
            balance = await harness.desk.handle(Quota(), a_context("2"))
            assert isinstance(balance, CreditBalance)
            assert (balance.credits, balance.renews_at_s) == (credits, renews_at_s(clock() / 1_000))


async def test_one_person_may_have_only_so_many_jobs_waiting(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(max_waiting=2)) as harness:
        for event in ("1", "2"):
            await harness.desk.handle(FACE, a_context(event))
        with pytest.raises(TooManyWaiting) as caught:
            await harness.desk.handle(FACE, a_context("3"))
        assert caught.value.facts == {"limit": 2}
        await harness.desk.handle(FACE, a_context("4", "ben"))
        await harness.desk.handle(Cancel(), a_context("5"))
        await harness.desk.handle(FACE, a_context("3"))


async def test_each_accepted_job_has_the_next_position(harness: DeskHarness) -> None:
    places = [await harness.desk.handle(FACE, a_context(str(n), f"person {n}")) for n in range(3)]
    assert [receipt.position for receipt in places if isinstance(receipt, Receipt)] == [0, 1, 2]


async def test_a_closing_desk_accepts_no_job_but_recognises_accepted_ones(harness: DeskHarness) -> None:
    await harness.desk.handle(FACE, a_context("1"))
    await harness.desk.drain(1)
    with pytest.raises(Closing):
        await harness.desk.handle(FACE, a_context("2"))
    again = await harness.desk.handle(FACE, a_context("1"))
    assert isinstance(again, Receipt)
    assert again.repeated


async def test_a_reroll_is_the_same_job_but_for_its_seed(harness: DeskHarness) -> None:
    first = await harness.desk.handle(
        Draw(prompt="a", loras=(LoraWish("sugar", 0.5),), seed=7), a_context("1")
    )
    assert isinstance(first, Receipt)
    again = await harness.desk.handle(Reroll(first.job_id), a_context("2"))
    assert isinstance(again, Receipt)
    assert again.job_id != first.job_id
    assert again.recipe.seed != 7
    assert (again.recipe.prompt, again.recipe.loras) == (first.recipe.prompt, first.recipe.loras)
    assert again.credits_left == 38


@pytest.mark.parametrize(
    ("private", "context", "allowed"),
    [
        (False, a_context("2", "ben"), True),
        (False, a_context("2", "ben", chat_id="elsewhere"), False),
        (True, a_context("2", "ben"), False),
        (True, a_context("2", HOST, chat_id="elsewhere"), True),
        (True, a_context("2", "ann", chat_id="elsewhere"), True),
    ],
)
async def test_others_reroll_only_what_they_can_see(
    harness: DeskHarness, private: bool, context: object, allowed: bool
) -> None:
    first = await harness.desk.handle(Draw(prompt="a", private=private), a_context("1"))
    assert isinstance(first, Receipt)
    if allowed:
        assert isinstance(await harness.desk.handle(Reroll(first.job_id), context), Receipt)  # type: ignore[arg-type]
    else:
        with pytest.raises(NotYours):
            await harness.desk.handle(Reroll(first.job_id), context)  # type: ignore[arg-type]


def in_group(event: str, private_address: Address | None = None) -> CommandContext:
    return replace(a_context(event, chat_id="group"), is_group=True, private_address=private_address)


async def test_private_pictures_asked_for_in_a_group_go_to_the_private_chat(harness: DeskHarness) -> None:
    own = Address(Platform.CONSOLE, "ann alone", "ref of the private chat")
    receipt = await harness.desk.handle(Draw(prompt="a", private=True), in_group("1", own))
    assert isinstance(receipt, Receipt)
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert result.address == own
    assert result.private
    again = await harness.desk.handle(Draw(prompt="a", private=True), in_group("1", own))
    assert isinstance(again, Receipt)
    assert again.address == own


async def test_private_pictures_without_a_private_chat_are_refused_before_charging(
    harness: DeskHarness,
) -> None:
    with pytest.raises(NoPrivateChat):
        await harness.desk.handle(Draw(prompt="a", private=True), in_group("1"))
    assert [await rows_in(harness, table) for table in ("person", "job", "origin", "ledger")] == [0, 0, 0, 0]
    for context in (in_group("2"), a_context("3")):
        open_or_alone = Draw(prompt="a", private=not context.is_group)
        assert isinstance(await harness.desk.handle(open_or_alone, context), Receipt)


async def test_a_reroll_of_private_pictures_stays_private(harness: DeskHarness) -> None:
    first = await harness.desk.handle(Draw(prompt="a", private=True), a_context("1"))
    assert isinstance(first, Receipt)
    with pytest.raises(NotInPublic):
        await harness.desk.handle(Reroll(first.job_id), in_group("2"))
    own = Address(Platform.CONSOLE, "ann alone")
    again = await harness.desk.handle(Reroll(first.job_id), in_group("3", own))
    assert isinstance(again, Receipt)
    job = await harness.store.jobs.find(again.job_id)
    assert job is not None
    assert (job.private, job.chat_id) == (True, "ann alone")


async def test_an_accept_cancelled_at_any_moment_is_whole_or_absent(harness: DeskHarness) -> None:
    """Where the job stands, it is charged and waits in line; where it does not, nothing is left of it."""
    queue = harness.desk.parts.queue.scheduler.queue
    for turns in range(60):
        context = a_context(f"event {turns}", f"person {turns}")
        acceptance = asyncio.create_task(harness.desk.handle(FACE, context))
        for _ in range(turns):
            await asyncio.sleep(0.0001)
        acceptance.cancel()
        await asyncio.gather(acceptance, return_exceptions=True)
        event = await harness.store.inbox.find(context.platform, context.event_id)
        job = await harness.store.jobs.find(event.job or "")
        person = await harness.store.people.find(context.platform, context.user_id)
        assert (job is None) == (person is None)
        if job is not None and person is not None:
            assert job.id in queue()
            assert (await harness.store.people.account(person)).credits == 38
    assert await rows_in(harness, "job") == len(queue())


def test_job_ids_are_short_readable_and_sort_by_time() -> None:
    random = Random(1)
    ids = [new_job_id(START_MS + n * 1_000, random) for n in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    numbers = [
        sum(digits.index(one) << 5 * place for place, one in enumerate(job_id[::-1])) for job_id in ids
    ]
    assert [number >> 35 for number in numbers] == [START_MS + n * 1_000 for n in range(100)]
    assert numbers[0] & (1 << 35) - 1 == Random(1).getrandbits(35)
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{16}", job_id) for job_id in ids)


async def test_hostile_text_raises_only_person_errors(harness: DeskHarness) -> None:
    for number, text in enumerate(["\x00", "🙂" * 300, "\u202eabc", "'; DROP TABLE job; --", "a" * 10_000]):
        try:
            receipt = await harness.desk.handle(Draw(prompt=text), a_context(str(number), f"person {number}"))
        except PersonError:
            continue
        assert isinstance(receipt, Receipt)
        stored = await harness.store.jobs.find(receipt.job_id)
        assert stored is not None
        assert stored.recipe.prompt == text
