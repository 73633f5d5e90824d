"""The queue reads weights from memory, which holds only the people of the tiers."""

from pathlib import Path

from bot.commands.values import Link, Quota, Unlink
from bot.outcomes import LinkCode, Platform
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.room import Room, a_context, open_room

PATRON = Entitlement(weight=3, daily_credits=50)
RULES = Rules(
    daily_credits=10,
    allow=frozenset({"discord:*", "telegram:*"}),
    tiers=(Tier(frozenset({"discord:ann"}), PATRON),),
)


async def known(room: Room, platform: Platform, user_id: str) -> int:
    await room.desk.handle(Quota(), a_context("q", user_id, platform=platform, chat_id=user_id))
    person = await room.store.people.find(platform, user_id)
    assert person is not None
    return person


async def test_a_thousand_usual_people_take_no_memory(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=RULES) as room:
        patron = await known(room, Platform.DISCORD, "ann")
        people = [await known(room, Platform.TELEGRAM, str(number)) for number in range(100)]
        assert room.desk.parts.tiers._known == {patron: PATRON}
        assert {room.desk.parts.tiers.weight_of(person) for person in people} == {1}


async def test_an_unlinked_person_leaves_the_tier(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=RULES) as room:
        patron = await known(room, Platform.DISCORD, "ann")
        issued = await room.desk.handle(
            Link(), a_context("1", "ann", platform=Platform.DISCORD, chat_id="ann")
        )
        assert isinstance(issued, LinkCode)
        for event in ("2", "3"):
            context = a_context(event, "555", platform=Platform.TELEGRAM, chat_id="555")
            await room.desk.handle(Link(issued.code), context)
        await room.desk.handle(Unlink(), a_context("4", "ann", platform=Platform.DISCORD, chat_id="ann"))
        alone = await known(room, Platform.DISCORD, "ann")
        assert await known(room, Platform.TELEGRAM, "555") == patron
        assert room.desk.parts.tiers._known == {alone: PATRON}
        assert room.desk.parts.tiers.weight_of(patron) == 1


async def test_weights_of_tiers_are_known_after_a_start_before_anybody_asks(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=RULES) as room:
        patron = await known(room, Platform.DISCORD, "ann")
    async with open_room(tmp_path, rules=RULES) as room:
        assert room.desk.parts.tiers.weight_of(patron) == 1
        await room.desk.parts.tiers.load()
        assert room.desk.parts.tiers.weight_of(patron) == 3
