"""The registry of placeholders being sent: what it remembers, and for how long."""

import asyncio

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.placeholder_registry import MAX_REMEMBERED_JOBS, PlaceholderRegistry

UNSENT, SENT = ChatAddress(11, reply_to=1), ChatAddress(11, reply_to=1, message_id=2)


async def send_placeholder(registry: PlaceholderRegistry, job_id: str) -> None:
    async with registry.sending(job_id) as address:
        address.set_result(SENT)


async def test_a_placeholder_being_sent_is_remembered_while_many_others_come() -> None:
    registry = PlaceholderRegistry()
    async with registry.sending("slow") as address:
        for number in range(2 * MAX_REMEMBERED_JOBS):
            await send_placeholder(registry, f"j{number}")
        assert registry.is_being_sent("slow")
        waiting = asyncio.create_task(registry.wait_for_placeholder("slow", UNSENT))
        await asyncio.sleep(0)
        address.set_result(SENT)
    assert await waiting == SENT


async def test_only_the_last_sent_placeholders_are_remembered() -> None:
    registry = PlaceholderRegistry()
    for number in range(MAX_REMEMBERED_JOBS + 1):
        await send_placeholder(registry, f"j{number}")
    assert await registry.wait_for_placeholder("j0", UNSENT) == UNSENT
    assert await registry.wait_for_placeholder("j1", UNSENT) == SENT


async def test_a_placeholder_that_failed_is_no_longer_being_sent() -> None:
    registry = PlaceholderRegistry()
    async with registry.sending("j"):
        assert registry.is_being_sent("j")
    assert not registry.is_being_sent("j")
    assert await registry.wait_for_placeholder("j", UNSENT) == UNSENT


async def test_published_pictures_do_not_go_to_their_private_placeholder() -> None:
    registry = PlaceholderRegistry()
    await send_placeholder(registry, "j")
    group = ChatAddress(-100, reply_to=7)
    assert await registry.wait_for_placeholder("j", group) == group
