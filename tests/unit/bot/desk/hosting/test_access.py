"""A chat, a server or a person is served at once, until a host takes it back; the settings stay."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import AllowAccess, DisallowAccess, Quota
from bot.errors import AllowedInSettings, BadSubject, ChatNotAllowed, HostsOnly, NotInPublic, NotOnList
from bot.outcomes import AccessChanged, AccessListing, CommandContext, Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import a_context, open_harness

RULES = Rules(hosts=frozenset({"discord:1", "telegram:2"}), allow=frozenset({"discord:300"}))
SERVER = replace(a_context("1", "1", platform=Platform.DISCORD, chat_id="20"), space_id="400", is_group=True)
DIRECT = a_context("2", "1", platform=Platform.DISCORD, chat_id="77")
GROUP = replace(a_context("3", "2", platform=Platform.TELEGRAM, chat_id="-100"), is_group=True)


def by(context: CommandContext, user_id: str) -> CommandContext:
    return replace(context, user_id=user_id, event_id=f"{context.event_id}-{user_id}")


@pytest.mark.parametrize(
    ("context", "typed", "subject"),
    [
        (SERVER, "here", "discord:400"),
        (SERVER, "这里", "discord:400"),
        (SERVER, "<#20>", "discord:20"),
        (SERVER, "telegram:-100", "telegram:-100"),
        (DIRECT, "here", "discord:1"),
        (DIRECT, "<@9>", "discord:9"),
        (GROUP, "here", "telegram:-100"),
        (GROUP, "9", "telegram:9"),
    ],
)
async def test_what_a_host_names_is_served_at_once(
    tmp_path: Path, context: CommandContext, typed: str, subject: str
) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        changed = await harness.desk.handle(AllowAccess(typed), context)
        assert changed == AccessChanged(subject, is_allowed=True)
        assert harness.desk.parts.rules.now.allow == {"discord:300", subject}
        assert await harness.desk.handle(DisallowAccess(typed), context) == AccessChanged(
            subject, is_allowed=False
        )
        assert harness.desk.parts.rules.now.allow == {"discord:300"}
        actions = await harness.store.permissions.newest_actions(9)
        assert [(each.action, each.subject) for each in actions] == [
            ("disallow", subject),
            ("allow", subject),
        ]


async def test_a_member_is_served_where_a_host_allowed_it_also_after_a_restart(tmp_path: Path) -> None:
    member = by(GROUP, "5")
    async with open_harness(tmp_path, rules=RULES) as harness:
        with pytest.raises(ChatNotAllowed) as refused:
            await harness.desk.handle(Quota(), member)
        await harness.desk.handle(AllowAccess(str(refused.value.facts["chat"])), GROUP)
        await harness.desk.handle(Quota(), member)
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.parts.permissions.load()
        await harness.desk.handle(Quota(), member)


async def test_a_person_is_served_in_their_private_chat_alone(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        with pytest.raises(ChatNotAllowed) as refused:
            await harness.desk.handle(Quota(), by(DIRECT, "9"))
        assert refused.value.facts == {"chat": "discord:9"}
        await harness.desk.handle(AllowAccess("discord:9"), DIRECT)
        await harness.desk.handle(Quota(), by(DIRECT, "9"))
        with pytest.raises(ChatNotAllowed):
            await harness.desk.handle(Quota(), by(SERVER, "9"))


async def test_the_list_is_private_and_says_what_the_settings_allow(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(AllowAccess("telegram:-5"), DIRECT)
        assert await harness.desk.handle(AllowAccess(), replace(DIRECT, event_id="x")) == AccessListing(
            ("discord:300",), ("telegram:-5",)
        )
        with pytest.raises(NotInPublic):
            await harness.desk.handle(AllowAccess(), SERVER)


async def test_what_cannot_be_changed_is_explained(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        for typed, error in (
            ("discord:300", AllowedInSettings),
            ("discord:5", NotOnList),
            ("somewhere", BadSubject),
            ("discord:*", BadSubject),
            ("x:5", BadSubject),
            ("<@&5>", BadSubject),  # a role is neither a person nor a chat
            ("١٢٣٤", BadSubject),  # no id of a platform has such digits, so nobody would be allowed
        ):
            with pytest.raises(error):
                await harness.desk.handle(DisallowAccess(typed), DIRECT)
        for command in (AllowAccess("here"), AllowAccess(), DisallowAccess("here")):
            with pytest.raises(HostsOnly):
                await harness.desk.handle(command, replace(by(SERVER, "9"), space_id="300"))
        assert harness.desk.parts.rules.now == RULES
