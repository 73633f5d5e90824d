"""Closed by default; a host is a host everywhere; each command's right holds wherever it comes from."""

from dataclasses import replace

import pytest

from bot.commands.table import COMMANDS, ENTRY_OF, Right
from bot.commands.values import (
    Adopt,
    AllowAccess,
    BanPerson,
    Cancel,
    ClaimBot,
    Command,
    Compare,
    Delete,
    Diagnose,
    DisallowAccess,
    Draft,
    DrainQueue,
    Draw,
    Edit,
    EditPresets,
    EditProfile,
    EditSettings,
    Enlarge,
    Export,
    Favourite,
    GiveCredits,
    GrantCredits,
    Help,
    Link,
    ListHostActions,
    ListPeople,
    ListReports,
    LoraAdd,
    LoraAllow,
    LoraCheck,
    LoraInfo,
    LoraList,
    LoraReload,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    PauseDrawing,
    Pick,
    Publish,
    Quota,
    ReadSettings,
    Repeat,
    Report,
    Reroll,
    ResumeDrawing,
    ShowCard,
    ShowQueue,
    ShowRecipe,
    ShowStatistics,
    ShowStatus,
    UnbanPerson,
    Unlink,
    Vary,
)
from bot.errors import BotUnclaimed, ChatNotAllowed, HostsOnly, NotInPublic
from bot.outcomes import Address, CommandContext, Platform
from bot.policy.rules import Rules, is_host, require_permission, require_private_chat
from bot.settings import Settings
from bot.settings.sections import WebSettings

COMMAND_VALUES: list[Command] = [
    Draw("x"), Reroll("k"), Cancel("k"), Mine(), Quota(), GiveCredits("a", 1), Link(), Unlink(), ClaimBot(),
    LoraList(), LoraInfo("a"), LoraSwitch(LoraWish("sugar")), LoraAdd(), LoraRemove("a"), LoraCheck("a"),
    LoraReload(), LoraAllow("sugar"), LoraRevoke("sugar"), ShowCard(), Help(),
    Repeat("k"), Vary("k", 0), Enlarge("k", 0), Pick("k", 0), Edit("k"), Original("k"),
    Publish("k"), Delete("k"), Report("k"), ListReports(),
    Favourite("k"), ShowRecipe(), ReadSettings(), Export(), EditSettings(), EditPresets(), EditProfile(),
    Compare(("x",)), Draft(Draw("x")), Adopt("k", 0),
    ShowStatus(), PauseDrawing(), DrainQueue(), ResumeDrawing(),
    ShowQueue(), ShowStatistics(), Diagnose(), BanPerson("a"), UnbanPerson("a"), GrantCredits("a", 1),
    AllowAccess("here"), DisallowAccess("here"),
    ListPeople(), ListHostActions(),
]  # fmt: skip


OPEN = Rules(allow=frozenset({"discord:*"}))


def context(
    platform: Platform = Platform.DISCORD, user_id: str = "1", chat_id: str = "20", space_id: str = "300"
) -> CommandContext:
    return CommandContext(platform, "e", user_id, Address(platform, chat_id), space_id=space_id)


def test_no_chat_of_a_platform_is_served_by_default() -> None:
    with pytest.raises(ChatNotAllowed) as caught:
        require_permission(Help(), context(), Rules())
    assert caught.value.facts == {"chat": "discord:300"}
    with pytest.raises(ChatNotAllowed) as caught:
        require_permission(Help(), context(Platform.TELEGRAM, chat_id="-100", space_id=""), Rules())
    assert caught.value.facts == {"chat": "telegram:-100"}


@pytest.mark.parametrize("entry", ["discord:300", "discord:20", "discord:*"])
def test_a_guild_a_channel_or_a_whole_platform_can_be_allowed(entry: str) -> None:
    require_permission(Help(), context(), Rules(allow=frozenset({entry})))


@pytest.mark.parametrize("entry", ["discord:300", "discord:20", "discord:21"])
def test_a_thread_is_served_where_its_channel_is(entry: str) -> None:
    thread = replace(context(chat_id="21"), parent_chat_id="20")
    require_permission(Help(), thread, Rules(allow=frozenset({entry})))
    with pytest.raises(ChatNotAllowed) as caught:  # a channel is not served because of its thread
        require_permission(Help(), context(), Rules(allow=frozenset({"discord:21"})))
    assert caught.value.facts == {"chat": "discord:300"}


@pytest.mark.parametrize("entry", ["telegram:20", "telegram:*", "discord:2", "discord:30", "discord:", "20"])
def test_another_entry_allows_no_chat(entry: str) -> None:
    with pytest.raises(ChatNotAllowed):
        require_permission(Help(), context(), Rules(allow=frozenset({entry})))


def test_a_chat_is_allowed_under_the_ids_it_had_before() -> None:
    rules = Rules(allow=frozenset({"telegram:-1"}))
    asks = context(Platform.TELEGRAM, chat_id="-1001", space_id="")
    require_permission(Help(), asks, rules, earlier_ids=("-1",))
    for earlier_ids in ((), ("-2",)):
        with pytest.raises(ChatNotAllowed) as caught:
            require_permission(Help(), asks, rules, earlier_ids)
        assert caught.value.facts == {"chat": "telegram:-1001"}


def test_an_empty_space_is_not_matched_by_an_empty_entry() -> None:
    with pytest.raises(ChatNotAllowed):
        require_permission(Help(), context(space_id=""), Rules(allow=frozenset({"discord:"})))


@pytest.mark.parametrize("platform", [Platform.CONSOLE, Platform.WEB])
def test_the_machine_s_own_chats_are_served(platform: Platform) -> None:
    require_permission(Help(), context(platform), Rules())


def test_a_host_is_served_everywhere() -> None:
    require_permission(Help(), context(), Rules(hosts=frozenset({"discord:1"})))


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (context(), False),
        (context(user_id="7"), True),
        (context(Platform.TELEGRAM, user_id="7"), False),
        (context(Platform.CONSOLE, user_id="a member"), False),
        (context(Platform.CONSOLE, user_id="host"), True),
        (context(Platform.DISCORD, user_id="host"), False),
        (context(Platform.WEB, user_id="anyone"), True),
    ],
)
def test_who_is_a_host(who: CommandContext, expected: bool) -> None:
    assert is_host(who, Rules(hosts=frozenset({"discord:7"}))) is expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (context(Platform.WEB, user_id="local"), False),
        (replace(context(Platform.WEB, user_id="local"), is_operator=True), True),
        (context(Platform.CONSOLE, user_id="host"), True),
        (context(user_id="7"), True),
        (replace(context(), is_operator=True), False),  # only the page has a login
    ],
)
def test_with_a_password_only_who_has_logged_in_is_a_host_on_the_page(
    who: CommandContext, expected: bool
) -> None:
    rules = Rules(hosts=frozenset({"discord:7"}), page_has_password=True)
    assert is_host(who, rules) is expected


def test_the_rules_know_whether_the_page_has_a_password() -> None:
    with_password = WebSettings.model_validate({"operator_password": "a gate of jade"})
    assert not Rules.from_settings(Settings()).page_has_password
    assert Rules.from_settings(Settings(web=with_password)).page_has_password


@pytest.mark.parametrize("command", COMMAND_VALUES, ids=lambda command: type(command).__name__)
def test_a_member_may_do_everything_except_what_is_for_hosts(command: Command) -> None:
    if ENTRY_OF[type(command)].right is not Right.HOST:
        require_permission(command, context(), OPEN)
        return
    with pytest.raises(HostsOnly) as caught:
        require_permission(command, context(), OPEN)
    assert caught.value.facts == {"command": ENTRY_OF[type(command)].name}
    require_permission(command, context(), Rules(hosts=frozenset({"discord:1"})))


def test_a_bot_without_a_host_says_how_to_become_one_and_takes_the_code_everywhere() -> None:
    for rules, refusal in ((Rules(), BotUnclaimed), (Rules(hosts=frozenset({"discord:7"})), ChatNotAllowed)):
        with pytest.raises(ChatNotAllowed) as caught:
            require_permission(Help(), context(), rules)
        assert type(caught.value) is refusal
        require_permission(ClaimBot("CODE"), context(), rules)


def test_every_right_is_tested_above() -> None:
    assert {ENTRY_OF[type(command)].name for command in COMMAND_VALUES} == {entry.name for entry in COMMANDS}


@pytest.mark.parametrize(
    ("platform", "chat_id", "is_alone"),
    [
        (Platform.TELEGRAM, "1", True),
        (Platform.TELEGRAM, "-100", False),
        (Platform.DISCORD, "20", True),  # its answers show to the person alone
        (Platform.WEB, "page", True),
        (Platform.CONSOLE, "console", True),
    ],
)
def test_private_answers_are_refused_in_a_group(platform: Platform, chat_id: str, is_alone: bool) -> None:
    asks = context(platform, "1", chat_id)
    if is_alone:
        require_private_chat(Link(), asks)
    else:
        with pytest.raises(NotInPublic) as caught:
            require_private_chat(Link(), asks)
        assert caught.value.facts == {"command": "link"}


def test_a_guild_without_a_channel_and_a_chat_without_an_id_are_named_as_they_are() -> None:
    for asks, chat in (
        (context(chat_id=""), "discord:300"),
        (context(chat_id="", space_id=""), "discord:1"),
        (context(space_id=""), "discord:1"),
    ):
        with pytest.raises(ChatNotAllowed) as caught:
            require_permission(Help(), asks, Rules())
        assert caught.value.facts == {"chat": chat}
