"""One person over two platforms: joined by a code, parted without a trace, and never richer by it."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw, Link, Mine, Quota, Unlink
from bot.desk.people.linking import LIMITS, AccountLinking
from bot.errors import (
    AlreadyLinked,
    BadLinkCode,
    ChatNotAllowed,
    NotInPublic,
    NotLinked,
    NotPossible,
    OwnLinkCode,
    TooManyCodes,
    TooManyWaiting,
)
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    History,
    LinkCode,
    LinkConfirmation,
    Linked,
    Platform,
    Receipt,
    Unlinked,
)
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

RULES = Rules(daily_credits=10, allow=frozenset({"discord:*", "telegram:*"}))


class Talk:
    """Somebody who talks to the desk on one platform; each message has an id of its own."""

    count = 0

    def __init__(self, harness: DeskHarness, platform: Platform, user_id: str) -> None:
        self.harness, self.platform, self.user_id = harness, platform, user_id

    def context(self, chat_id: str = "") -> CommandContext:
        Talk.count += 1
        return a_context(
            f"m{Talk.count}", self.user_id, platform=self.platform, chat_id=chat_id or self.user_id
        )

    async def say(self, command: object, chat_id: str = "") -> object:
        return await self.harness.desk.handle(command, self.context(chat_id))  # type: ignore[arg-type]

    async def draw(self, count: int = 1) -> Receipt:
        receipt = await self.say(Draw(prompt="a face", count=count, again=True))
        assert isinstance(receipt, Receipt)
        return receipt

    async def credits(self) -> int:
        credits = await self.say(Quota())
        assert isinstance(credits, CreditBalance)
        return credits.credits

    async def jobs(self) -> list[str]:
        history = await self.say(Mine())
        assert isinstance(history, History)
        return [entry.job_id for entry in history.entries]

    async def code(self) -> str:
        issued = await self.say(Link())
        assert isinstance(issued, LinkCode)
        return issued.code

    async def join(self, other: "Talk") -> Linked:
        """Become one with ``other``, whose code it is."""
        code = await other.code()
        assert isinstance(await self.say(Link(code)), LinkConfirmation)
        linked = await self.say(Link(code))
        assert isinstance(linked, Linked)
        return linked


def two(harness: DeskHarness) -> tuple[Talk, Talk]:
    return Talk(harness, Platform.DISCORD, "ann"), Talk(harness, Platform.TELEGRAM, "555")


async def ask(harness: DeskHarness, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await harness.store._run(sql)]


@pytest.fixture
async def harness(tmp_path: Path) -> object:
    async with open_harness(tmp_path, rules=RULES) as opened:
        yield opened


async def test_two_chats_with_one_code_share_history_and_one_allowance(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    first, second = await ann.draw(3), await anna.draw(2)
    linked = await anna.join(ann)
    assert linked == Linked((Platform.DISCORD, Platform.TELEGRAM), credits=10)  # 7 + 8, one allowance
    assert await ann.jobs() == await anna.jobs() == [second.job_id, first.job_id]
    await anna.draw(4)
    assert await ann.credits() == 6
    harness.clock.advance(days=1)
    assert (await ann.credits(), await anna.credits()) == (10, 10)
    assert await ask(harness, "SELECT count(*) FROM person") == [(1,)]


async def test_the_first_entry_of_a_code_names_its_owner_and_does_not_link(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    code = await ann.code()
    asked = await anna.say(Link(code))
    assert asked == LinkConfirmation(code, Platform.DISCORD, "name of ann")
    assert await ask(harness, "SELECT count(*) FROM person") == [(2,)]


async def test_a_message_repeated_after_a_crash_confirms_nothing(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    code, context = await ann.code(), anna.context()
    for _ in range(3):
        assert isinstance(await harness.desk.handle(Link(code), context), LinkConfirmation)
    confirmation = anna.context()
    for _ in range(3):
        assert isinstance(await harness.desk.handle(Link(code), confirmation), Linked)


async def test_a_code_is_the_first_typers_works_once_and_for_ten_minutes(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    ben = Talk(harness, Platform.TELEGRAM, "777")
    code = await ann.code()
    await anna.say(Link(code))
    with pytest.raises(BadLinkCode):  # read over the shoulder
        await ben.say(Link(code))
    await anna.say(Link(code))
    with pytest.raises(BadLinkCode):
        await ben.say(Link(code))
    cleo = Talk(harness, Platform.DISCORD, "cleo")
    late = await cleo.say(Link())
    assert isinstance(late, LinkCode)
    assert late.minutes == 10
    await ben.say(Link(late.code))
    harness.clock.advance(ms=10 * 60_000 - 1)
    assert isinstance(await ben.say(Link(late.code)), Linked)
    early = await ann.code()
    harness.clock.advance(ms=10 * 60_000)
    with pytest.raises(BadLinkCode):
        await Talk(harness, Platform.TELEGRAM, "888").say(Link(early))


async def test_a_new_code_replaces_the_earlier_one(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    early, late = await ann.code(), await ann.code()
    with pytest.raises(BadLinkCode):
        await anna.say(Link(early))
    assert isinstance(await anna.say(Link(late)), LinkConfirmation)
    assert await ask(harness, "SELECT count(*) FROM link_code") == [(1,)]


async def test_guessing_is_stopped_for_a_while_for_the_guesser_alone(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    code = await ann.code()
    for _ in range(LIMITS.by_account):
        with pytest.raises(BadLinkCode):
            await anna.say(Link("WRNGWRNG"))
        harness.clock.advance(seconds=60)
    with pytest.raises(TooManyCodes) as caught:
        await anna.say(Link(code))
    assert caught.value.facts == {"minutes": 6}
    assert isinstance(await Talk(harness, Platform.TELEGRAM, "777").say(Link(code)), LinkConfirmation)
    harness.clock.advance(seconds=360)
    with pytest.raises(BadLinkCode):  # ben has it
        await anna.say(Link(code))


async def tries(talk: Talk, code: str) -> str:
    try:
        return type(await talk.say(Link(code))).__name__
    except NotPossible as refusal:
        return type(refusal).__name__


async def test_a_hundred_wrong_codes_at_once_are_counted_before_they_are_tried(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Talk(harness, Platform.TELEGRAM, "555")
    find, tried = harness.store.links.find_code, []

    async def count_tries(code: str, now_ms: int) -> object:
        tried.append(code)
        return await find(code, now_ms)

    monkeypatch.setattr(harness.store.links, "find_code", count_tries)
    wrong = [f"WRNG{number:04}" for number in range(100)]
    said = await asyncio.gather(*(tries(anna, code) for code in wrong))
    assert Counter(said) == {"BadLinkCode": 5, "TooManyCodes": 95}
    assert len(tried) == 5
    direct = AccountLinking.link  # also without the desk's transaction around it
    said = await asyncio.gather(
        *(
            direct(harness.desk.parts.linking, Link(code), Talk(harness, Platform.TELEGRAM, "777").context())
            for code in wrong
        ),
        return_exceptions=True,
    )
    assert Counter(type(answer).__name__ for answer in said) == {"BadLinkCode": 5, "TooManyCodes": 95}


async def test_one_code_is_tried_few_times_by_all_accounts(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    code = await ann.code()
    assert isinstance(await anna.say(Link(code)), LinkConfirmation)
    strangers = [Talk(harness, Platform.TELEGRAM, f"stranger {number}") for number in range(30)]
    said = [await tries(stranger, code) for stranger in strangers]
    assert said == ["BadLinkCode"] * LIMITS.of_code + ["TooManyCodes"] * (30 - LIMITS.of_code)


async def test_wrong_codes_of_all_accounts_together_have_a_limit_that_passes(harness: DeskHarness) -> None:
    attempts = harness.desk.parts.linking._attempts
    for number in range(LIMITS.in_all):
        with pytest.raises(BadLinkCode), attempts.count_attempt(f"account {number}", f"code {number}"):
            raise BadLinkCode
    ann, anna = two(harness)
    code = await ann.code()
    assert await tries(anna, code) == "TooManyCodes"
    assert len(attempts._wrong) == LIMITS.in_all
    harness.clock.advance(days=-1)  # a clock that is set back neither forgets nor prolongs them
    assert await tries(anna, code) == "TooManyCodes"
    harness.clock.advance(ms=LIMITS.window_ms)
    assert isinstance(await anna.say(Link(await ann.code())), LinkConfirmation)
    assert len(attempts._wrong) == 0


async def test_right_codes_are_not_counted(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    for _ in range(3 * LIMITS.by_account):
        code = await ann.code()
        with pytest.raises(OwnLinkCode):
            await ann.say(Link(code))
        assert isinstance(await anna.say(Link(code)), LinkConfirmation)


async def test_a_code_is_issued_only_in_a_private_chat(harness: DeskHarness) -> None:
    _, anna = two(harness)
    with pytest.raises(NotInPublic):
        await anna.say(Link(), chat_id="-100")
    assert await ask(harness, "SELECT count(*) FROM link_code") == [(0,)]


async def test_rights_are_asked_again_for_every_link(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(allow=frozenset({"discord:*"}))) as harness:
        ann, anna = two(harness)
        code = await ann.code()
        for command in (Link(), Link(code), Unlink()):
            with pytest.raises(ChatNotAllowed):
                await anna.say(command)


async def test_a_person_cannot_link_with_themselves_or_with_a_second_account_of_a_platform(
    harness: DeskHarness,
) -> None:
    ann, anna = two(harness)
    with pytest.raises(OwnLinkCode):
        await ann.say(Link(await ann.code()))
    ben = Talk(harness, Platform.DISCORD, "ben")
    with pytest.raises(AlreadyLinked) as caught:
        await ben.say(Link(await ann.code()))
    assert caught.value.facts == {"platform": "discord"}
    await anna.join(ann)
    with pytest.raises(AlreadyLinked):
        await ben.say(Link(await anna.code()))
    with pytest.raises(OwnLinkCode):
        await anna.say(Link(await ann.code()))


async def test_an_unlinked_identity_starts_new_and_leaves_everything_behind(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    job = await anna.draw(3)
    await anna.join(ann)
    ledger = await ask(harness, "SELECT * FROM ledger")
    assert await anna.say(Unlink()) == Unlinked(Platform.TELEGRAM)
    assert await ask(harness, "SELECT * FROM ledger") == ledger
    assert (await ann.jobs(), await anna.jobs()) == ([job.job_id], [])
    assert (await ann.credits(), await anna.credits()) == (10, 0)
    harness.clock.advance(days=1)
    assert (await ann.credits(), await anna.credits()) == (10, 10)
    for one in (ann, anna):
        with pytest.raises(NotLinked):
            await one.say(Unlink())


async def test_unlinking_and_linking_again_all_day_creates_no_credit(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    await anna.join(ann)
    for _ in range(5):
        await anna.say(Unlink())
        assert await ann.credits() + await anna.credits() == 10
        await anna.join(ann)
        assert await ann.credits() == 10


async def test_an_allowance_cannot_be_hoarded_through_a_second_account(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    for _ in range(5):
        await anna.join(ann)
        assert await ann.credits() == 10
        await anna.say(Unlink())
        harness.clock.advance(days=1)


async def test_what_a_host_granted_is_kept_in_full(harness: DeskHarness) -> None:
    ann, anna = two(harness)
    for talk, granted in ((ann, 30), (anna, 5)):
        await talk.credits()
        person = await harness.store.people.find(talk.platform, talk.user_id)
        assert person is not None
        async with harness.store.atomic():
            await harness.store.people.move_credits(person, "grant", granted, 1)  # type: ignore[arg-type]
    assert (await anna.join(ann)).credits == 30 + 5 + 10


async def test_a_refund_finds_the_person_that_its_job_has_now(tmp_path: Path) -> None:
    """The job was taken before the link: the row in the drawing's hand names the person who is gone."""
    renderer = FakeRenderer(acts=[Act.HANG])
    async with open_harness(tmp_path, rules=RULES, renderer=renderer) as harness, harness.running():
        ann, anna = two(harness)
        job = await anna.draw(4)
        await until(lambda: renderer.running == job.job_id)
        assert (await anna.join(ann)).credits == 10  # 10 + 6, one allowance
        await ann.draw(2)
        await ann.say(Cancel(job.job_id))
        while await ask(harness, "SELECT 1 FROM job WHERE ended_ms IS NULL"):  # noqa: ASYNC110 - no signal
            await asyncio.sleep(0.001)
        assert await ann.credits() == 10 - 2 + 4
        assert await ask(harness, "SELECT person, sum(credits) FROM ledger GROUP BY 1") == await ask(
            harness, "SELECT person, credits FROM account"
        )


async def test_waiting_jobs_of_linked_accounts_share_one_turn_and_one_limit(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(allow=RULES.allow, max_waiting=3)) as harness:
        ann, anna = two(harness)
        ben = Talk(harness, Platform.DISCORD, "ben")
        jobs = [await ann.draw(), await anna.draw(), await ben.draw(), await anna.draw()]
        await anna.join(ann)
        assert harness.desk.parts.queue.scheduler.queue() == tuple(
            jobs[index].job_id for index in (0, 2, 1, 3)
        )
        with pytest.raises(TooManyWaiting):
            await ann.draw()


async def test_a_tier_counts_for_every_identity_of_its_person(tmp_path: Path) -> None:
    tier = Tier(frozenset({"discord:ann"}), Entitlement(weight=3, daily_credits=50))
    rules = Rules(daily_credits=10, allow=RULES.allow, tiers=(tier,))
    async with open_harness(tmp_path, rules=rules) as harness:
        ann, anna = two(harness)
        assert (await ann.credits(), await anna.credits()) == (50, 10)
        assert (await anna.join(ann)).credits == 50
        person = await harness.store.people.find("telegram", "555")
        assert person is not None
        assert harness.desk.parts.tiers.weights.get(person, 1) == 3
        await anna.say(Unlink())
        assert (await ann.credits(), await anna.credits()) == (50, 0)
        harness.clock.advance(days=1)
        assert (await ann.credits(), await anna.credits()) == (50, 10)
        await ann.join(anna)
        await ann.say(Unlink())  # the tier's name leaves, and so does what the tier had added
        assert (await ann.credits(), await anna.credits()) == (0, 10)
