"""Which first messages are on their way, and how long that is remembered."""

import asyncio

from bot.chats.telegram_.place import Place
from bot.chats.telegram_.placing import REMEMBERED, Placing

NOWHERE, THERE = Place(11, reply_to=1), Place(11, reply_to=1, message_id=2)


async def placed(placing: Placing, job_id: str) -> None:
    async with placing.of(job_id) as place:
        place.set_result(THERE)


async def test_what_is_on_its_way_is_remembered_however_many_come_meanwhile() -> None:
    placing = Placing()
    async with placing.of("slow") as place:
        for number in range(2 * REMEMBERED):
            await placed(placing, f"j{number}")
        assert placing.is_on_its_way("slow")
        arriving = asyncio.create_task(placing.arrived("slow", NOWHERE))
        await asyncio.sleep(0)
        place.set_result(THERE)
    assert await arriving == THERE


async def test_only_the_last_that_arrived_are_remembered() -> None:
    placing = Placing()
    for number in range(REMEMBERED + 1):
        await placed(placing, f"j{number}")
    assert await placing.arrived("j0", NOWHERE) == NOWHERE
    assert await placing.arrived("j1", NOWHERE) == THERE


async def test_what_was_not_sent_is_no_longer_on_its_way() -> None:
    placing = Placing()
    async with placing.of("j"):
        assert placing.is_on_its_way("j")
    assert not placing.is_on_its_way("j")
    assert await placing.arrived("j", NOWHERE) == NOWHERE
