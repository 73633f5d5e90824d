"""Credits that people give each other: only what was given to them, each once, and none appear."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw, GiveCredits, GrantCredits, Link
from bot.errors import NeverWrote, NothingToGive, OwnRecipient, UnknownRecipient
from bot.outcomes import CreditsGiven, LinkCode, Platform, Receipt, Who
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.unit.bot.desk.hosting.test_grants import RULES, credits_of, discord, grant

BEN = Who("discord:ben", "name of ben")


async def met(harness: DeskHarness) -> None:
    for name in ("ann", "ben"):
        await credits_of(harness, discord(f"hello {name}", name))


async def left(harness: DeskHarness) -> list[int]:
    return [(await credits_of(harness, discord("q", name)))[0] for name in ("ann", "ben")]


async def test_what_a_host_granted_may_be_given_on_and_the_allowance_may_not(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await met(harness)
        with pytest.raises(NothingToGive) as caught:
            await harness.desk.handle(GiveCredits("discord:ben", 1), discord("1", "ann"))
        assert caught.value.facts == {"limit": 0}
        await grant(harness, 5)
        given = await harness.desk.handle(GiveCredits("discord:ben", 3), discord("2", "ann"))
        assert given == CreditsGiven(BEN, 3, 12)
        assert await harness.desk.handle(GiveCredits("name of ben", 1), discord("3", "ann")) == CreditsGiven(
            BEN, 1, 11
        )
        with pytest.raises(NothingToGive) as caught:
            await harness.desk.handle(GiveCredits("discord:ben", 2), discord("4", "ann"))
        assert caught.value.facts == {"limit": 1}
        assert await left(harness) == [11, 14]
        await harness.desk.handle(GiveCredits("discord:ann", 4), discord("5", "ben"))
        harness.clock.advance(days=1)
        assert await left(harness) == [15, 10]
        survey = await harness.store.survey()
        assert (survey.credits, survey.unbalanced) == (survey.ledger, 0)
        rows = await harness.store._connection.execute_fetchall(
            "SELECT credits, decided_by FROM ledger WHERE kind = 'grant' ORDER BY id"
        )
        assert [tuple(row) for row in rows][1:3] == [(-3, "discord:ann"), (3, "discord:ann")]


async def test_a_repeated_event_gives_once_also_after_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await met(harness)
        await grant(harness, 9)
        await harness.desk.store_events(Platform.DISCORD, [("1", "{}")])
        first = await harness.desk.handle(GiveCredits("discord:ben", 3), discord("1", "ann"))
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await harness.desk.handle(GiveCredits("discord:ben", 3), discord("1", "ann")) == first
        assert await left(harness) == [16, 13]


async def test_the_allowance_that_lapses_at_a_link_takes_nothing_of_what_may_be_given(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await met(harness)
        elsewhere = a_context("1", "ann", platform=Platform.TELEGRAM, chat_id="ann")
        await credits_of(harness, elsewhere)
        code = await harness.desk.handle(Link(), discord("1", "ann"))
        assert isinstance(code, LinkCode)
        for event in ("2", "3"):
            await harness.desk.handle(Link(code.code), replace(elsewhere, event_id=event))
        await grant(harness, 9)
        assert await left(harness) == [19, 10]
        given = await harness.desk.handle(GiveCredits("discord:ben", 9), discord("4", "ann"))
        assert given == CreditsGiven(BEN, 9, 10)


async def test_a_refund_after_midnight_is_no_gift(tmp_path: Path) -> None:
    """Or a second account could save its allowance up and give it away."""
    async with open_harness(tmp_path, rules=RULES) as harness:
        await met(harness)
        receipt = await harness.desk.handle(Draw("a fox", count=4), discord("1", "ann"))
        assert isinstance(receipt, Receipt)
        harness.clock.advance(days=1)
        assert await left(harness) == [10, 10]
        await harness.desk.handle(Cancel(receipt.job_id), discord("2", "ann"))
        assert (await left(harness))[0] > 10
        with pytest.raises(NothingToGive):
            await harness.desk.handle(GiveCredits("discord:ben", 1), discord("3", "ann"))


@pytest.mark.parametrize(
    ("person", "error"),
    [
        ("discord:ann", OwnRecipient),
        ("discord:12", NeverWrote),
        ("nobody at all", UnknownRecipient),
    ],
)
async def test_who_cannot_be_given_anything(tmp_path: Path, person: str, error: type[Exception]) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await met(harness)
        await harness.desk.handle(GrantCredits("discord:ann", 5), discord("g"))
        with pytest.raises(error):
            await harness.desk.handle(GiveCredits(person, 1), discord("1", "ann"))
        assert await left(harness) == [15, 10]
