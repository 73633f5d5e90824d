"""Members are looked up once in some minutes; only the first request waits for Telegram, and not long."""

import asyncio
from typing import cast

from telegram import Bot, ChatMember, ChatMemberLeft, ChatMemberMember, ChatMemberRestricted, User
from telegram.error import BadRequest

from bot.chats.telegram_.memberships import FRESH_S, Memberships
from tests.fakes.clock import FakeSeconds

USER = User(5, "Member", is_bot=False)


class ScriptedBot:
    """Answers getChatMember by the script of each chat: a member, or an error; waits for ``gate``."""

    def __init__(self, script: dict[int, ChatMember | Exception]) -> None:
        self.script = script
        self.asked: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def get_chat_member(self, chat_id: int, user_id: int) -> ChatMember:
        self.asked.append((chat_id, user_id))
        await self.gate.wait()
        found = self.script[chat_id]
        if isinstance(found, Exception):
            raise found
        return found


def restricted(*, is_member: bool) -> ChatMember:
    rights = {name: False for name in ChatMemberRestricted.__slots__ if name.startswith("can_")}
    raw = {"status": "restricted", "user": USER.to_dict(), "is_member": is_member, "until_date": 0, **rights}
    return ChatMember.de_json(raw)


def memberships(bot: ScriptedBot, clock: FakeSeconds, *groups: str) -> Memberships:
    return Memberships(cast(Bot, bot), lambda: groups, clock)


async def test_members_and_restricted_members_count() -> None:
    bot = ScriptedBot(
        {
            -1: ChatMemberMember(USER),
            -2: ChatMemberLeft(USER),
            -3: restricted(is_member=True),
            -4: restricted(is_member=False),
        }
    )
    found = memberships(bot, FakeSeconds(), *(f"telegram:-{number}" for number in range(1, 5)))
    assert await found.of("5") == ("telegram:-1", "telegram:-3")


async def test_an_answer_is_used_at_once_and_asked_again_after_some_minutes() -> None:
    bot, clock = ScriptedBot({-1: ChatMemberMember(USER)}), FakeSeconds()
    found = memberships(bot, clock, "telegram:-1")
    for _ in range(3):
        assert await found.of("5") == ("telegram:-1",)
    assert len(bot.asked) == 1
    clock.now_s += FRESH_S
    bot.script[-1] = ChatMemberLeft(USER)
    bot.gate.clear()
    assert await found.of("5") == ("telegram:-1",)  # not waited for
    bot.gate.set()
    await asyncio.gather(*found._asking.values())
    assert await found.of("5") == ()
    assert len(bot.asked) == 2


async def test_a_telegram_that_hangs_or_refuses_leaves_it_unknown() -> None:
    bot = ScriptedBot({-1: BadRequest("member list is inaccessible")})
    found = memberships(bot, FakeSeconds(), "telegram:-1")
    assert await found.of("5") is None
    bot.gate.clear()
    assert await found.of("6") is None  # after WAIT_S
    found.close()


async def test_without_tiers_of_groups_nobody_asks() -> None:
    bot = ScriptedBot({})
    assert await memberships(bot, FakeSeconds()).of("5") == ()
    assert bot.asked == []
