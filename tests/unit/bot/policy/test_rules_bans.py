"""A banned person reads and deletes what is theirs, and nothing else; a host is never banned."""

import pytest

from bot.commands.values import Cancel, Command, Delete, Draw, Export, Help, Mine, Quota
from bot.errors import Banned, BannedForNow, ChatNotAllowed
from bot.outcomes import Address, CommandContext, Platform
from bot.policy.rules import Ban, Rules, require_not_banned, require_permission

NOW_MS = 1_000_000
EVER, LATER = Ban("discord:1", None, "spam"), Ban("discord:1", NOW_MS + 5_000)


def context(
    platform: Platform = Platform.DISCORD, user_id: str = "1", *, group: bool = True
) -> CommandContext:
    return CommandContext(platform, "e", user_id, Address(platform, "20"), is_group=group)


def rules(ban: Ban, hosts: frozenset[str] = frozenset()) -> Rules:
    return Rules(hosts=hosts, bans={ban.name: ban})


def test_a_ban_counts_until_it_ends() -> None:
    with pytest.raises(Banned) as ever:
        require_not_banned(Draw("x"), context(), rules(EVER), NOW_MS)
    assert (type(ever.value), ever.value.facts) == (Banned, {"reason": "spam"})
    with pytest.raises(BannedForNow) as later:
        require_not_banned(Draw("x"), context(), rules(LATER), NOW_MS + 4_999)
    assert later.value.facts == {"reason": "", "until_s": (NOW_MS + 5_000) // 1_000}
    require_not_banned(Draw("x"), context(), rules(LATER), NOW_MS + 5_000)


@pytest.mark.parametrize("command", [Help(), Mine(), Export(), Delete("j")])
def test_a_banned_person_still_reads_and_deletes_what_is_theirs(command: Command) -> None:
    require_not_banned(command, context(), rules(EVER), NOW_MS)


@pytest.mark.parametrize("command", [Draw("x"), Quota(), Cancel("")])
def test_nobody_else_and_no_host_is_banned(command: Command) -> None:
    require_not_banned(command, context(user_id="2"), rules(EVER), NOW_MS)
    require_not_banned(command, context(Platform.TELEGRAM), rules(EVER), NOW_MS)
    require_not_banned(command, context(), rules(EVER, frozenset({"discord:1"})), NOW_MS)
    require_not_banned(command, context(Platform.WEB), rules(Ban("web:1")), NOW_MS)


def test_an_allowed_person_is_served_in_private_chats_alone() -> None:
    allowed = Rules(allow=frozenset({"discord:1"}))
    require_permission(Draw("x"), context(group=False), allowed)
    for other in (context(), context(user_id="2", group=False), context(Platform.TELEGRAM, group=False)):
        with pytest.raises(ChatNotAllowed):
            require_permission(Draw("x"), other, allowed)
