"""The queue reads weights from memory, which holds only the people of the tiers."""

from pathlib import Path

from bot.commands.values import Link, Quota, Unlink
from bot.outcomes import LinkCode, Platform
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

PATRON = Entitlement(weight=3, daily_credits=50)
RULES = Rules(
    daily_credits=10,
    allow=frozenset({"discord:*", "telegram:*"}),
    tiers=(Tier(frozenset({"discord:ann"}), PATRON),),
)


async def known(harness: DeskHarness, platform: Platform, user_id: str) -> int:
    await harness.desk.handle(Quota(), a_context("q", user_id, platform=platform, chat_id=user_id))
    person = await harness.store.people.find(platform, user_id)
    assert person is not None
    return person


async def test_a_thousand_usual_people_take_no_memory(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        patron = await known(harness, Platform.DISCORD, "ann")
        people = [await known(harness, Platform.TELEGRAM, str(number)) for number in range(100)]
        assert harness.desk.parts.tiers.weights == {patron: PATRON.weight}
        assert {harness.desk.parts.tiers.weights.get(person, 1) for person in people} == {1}


async def test_an_unlinked_person_leaves_the_tier(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        patron = await known(harness, Platform.DISCORD, "ann")
        issued = await harness.desk.handle(
            Link(), a_context("1", "ann", platform=Platform.DISCORD, chat_id="ann")
        )
        assert isinstance(issued, LinkCode)
        for event in ("2", "3"):
            context = a_context(event, "555", platform=Platform.TELEGRAM, chat_id="555")
            await harness.desk.handle(Link(issued.code), context)
        await harness.desk.handle(Unlink(), a_context("4", "ann", platform=Platform.DISCORD, chat_id="ann"))
        alone = await known(harness, Platform.DISCORD, "ann")
        assert await known(harness, Platform.TELEGRAM, "555") == patron
        assert harness.desk.parts.tiers.weights == {alone: PATRON.weight}
        assert harness.desk.parts.tiers.weights.get(patron, 1) == 1


async def test_weights_of_tiers_are_known_after_a_start_before_anybody_asks(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        patron = await known(harness, Platform.DISCORD, "ann")
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert harness.desk.parts.tiers.weights.get(patron, 1) == 1
        await harness.desk.parts.tiers.load()
        assert harness.desk.parts.tiers.weights.get(patron, 1) == 3
