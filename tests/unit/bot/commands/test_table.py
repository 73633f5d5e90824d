"""The one table holds for every platform that makes a menu of it."""

import re

import pytest

from bot.commands import table
from bot.commands.grammar import draw_of
from bot.commands.table import (
    COMMANDS,
    ENTRY_OF,
    FACE_SLOTS,
    SUGAR_OPTIONS,
    CommandEntry,
    Option,
    OptionKind,
    Right,
)
from bot.commands.table.hosting import HOSTING_COMMANDS
from bot.commands.table.jobs import JOB_COMMANDS
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
    DrawRecipe,
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
    LoraOffer,
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
from bot.errors import NotUnderstood

# Discord's page on application commands: lower-case letters and digits of any script, - and _, 1 to 32.
DISCORD_NAME = re.compile(r"[-_\w]{1,32}")
TELEGRAM_NAME = re.compile(r"[a-z0-9_]{1,32}")

OPTIONS = [(entry, option) for entry in COMMANDS for option in entry.options]


def menu_words(entry: CommandEntry) -> set[str]:
    """Its names at the top of Discord's menu, where no two may be the same in either language."""
    if entry.alone:
        return {entry.alone.name, entry.alone.word}
    return set() if " " in entry.name else {entry.name, entry.word}


def test_every_command_value_has_one_row() -> None:
    values: list[Command] = [
        Draw(), EditSettings(), EditPresets(), EditProfile(),
        Reroll("a"), Cancel(), Mine(), Quota(), GiveCredits("a", 1), Link(), Unlink(), ClaimBot(),
        LoraList(), LoraInfo("a"), LoraSwitch(LoraWish("a")), LoraAdd(), LoraRemove("a"), LoraCheck("a"),
        LoraReload(), LoraAllow("a"), LoraRevoke("a"), ShowCard(), Help(),
        Repeat("a"), Vary("a", 0), Enlarge("a", 0), Pick("a", 0), Edit("a"), Original("a"),
        Publish("a"), Delete("a"), Report("a"), ListReports(),
        Favourite("a"), ShowRecipe(), ReadSettings(), Export(),
        Compare(("a",)), Draft(Draw()), Adopt("a", 0),
        ShowStatus(), PauseDrawing(), DrainQueue(), ResumeDrawing(),
        ShowQueue(), ShowStatistics(), Diagnose(), BanPerson("a"), UnbanPerson("a"), GrantCredits("a", 1),
        AllowAccess("here"), DisallowAccess("here"),
        ListPeople(), ListHostActions(),
    ]  # fmt: skip
    assert {ENTRY_OF[type(value)].name for value in values} == {entry.name for entry in COMMANDS}
    assert ENTRY_OF[LoraOffer].right is Right.HOST
    assert ENTRY_OF[DrawRecipe] is ENTRY_OF[Draw]


def test_what_changes_the_shelf_the_card_and_the_queue_is_for_hosts() -> None:
    for_hosts = [entry.name for entry in COMMANDS if entry.right is Right.HOST]
    shelf = ["lora switch", "lora add", "lora remove", "lora check", "lora reload"]
    hosting = [entry.name for entry in HOSTING_COMMANDS]
    assert for_hosts == ["profile", "reports", *shelf, "gpu", *hosting]


def test_no_two_commands_share_a_spelling() -> None:
    spellings = [
        word.casefold()
        for entry in COMMANDS
        for word in {entry.name, entry.joined_name, entry.telegram_name, *menu_words(entry), *entry.words}
    ]
    assert len(spellings) == len(set(spellings))


def test_a_command_for_everyone_beside_a_hosts_command_has_a_name_alone() -> None:
    for_hosts = {entry.name.split()[0] for entry in COMMANDS if entry.right is Right.HOST}
    shared = {
        entry for entry in COMMANDS if entry.name.split()[0] in for_hosts and entry.right is not Right.HOST
    }
    assert shared
    assert shared == {entry for entry in COMMANDS if entry.alone}
    assert for_hosts.isdisjoint(entry.alone.name for entry in shared if entry.alone)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_names_are_legal_on_both_platforms(entry: CommandEntry) -> None:
    for word in [*entry.name.split(), entry.word, *menu_words(entry)]:
        assert DISCORD_NAME.fullmatch(word)
        assert word == word.lower()
    assert TELEGRAM_NAME.fullmatch(entry.telegram_name)
    assert 1 <= len(entry.about) <= 100
    assert set(entry.menus) <= set(table.CHATS)


@pytest.mark.parametrize(("entry", "option"), OPTIONS, ids=lambda row: row.name)
def test_options_are_legal_on_discord(entry: CommandEntry, option: Option) -> None:
    for word in (option.name, option.word):
        assert DISCORD_NAME.fullmatch(word)
        assert word == word.lower()
    assert 1 <= len(option.about) <= 100
    assert option.example or option.kind in (OptionKind.SWITCH, OptionKind.CHOICE, OptionKind.FILE)
    assert bool(option.choices) == (option.kind is OptionKind.CHOICE)


def test_a_command_has_at_most_the_25_options_discord_takes() -> None:
    assert all(len(entry.options) <= 25 for entry in COMMANDS)


def test_required_options_come_first_as_discord_demands() -> None:
    for entry in COMMANDS:
        required = [option.required for option in entry.options]
        assert required == sorted(required, reverse=True)


def test_only_names_of_loras_are_needed_and_commands_without_flags_take_all_text() -> None:
    assert [option.name for _, option in OPTIONS if option.required] == [
        "prompt",
        *3 * ["job"],
        *6 * ["name"],
        *("person", "credits"),
        "code",
        "person",
        *("person", "credits"),
        "subject",
    ]
    positional = {(entry.name, option.name) for entry, option in OPTIONS if option.positional}
    assert positional == {
        ("sugar", "prompt"), ("compare", "prompt"), ("draft", "prompt"),
        *(("adopt", name) for name in ("job", "picture")),
        ("settings", "reset"), ("preset", "name"), ("profile", "reset"),
        ("pause", "reason"), ("drain", "reason"),
        ("stats", "days"),
        *((word, "person") for word in ("give", "ban", "unban", "grant")),
        *((word, "subject") for word in ("allow", "disallow")),
        ("people", "search"),
        ("cancel", "job"), ("link", "code"), ("claim", "code"), ("lora list", "search"),
        ("lora add", "link"), *((word, "picture") for word in ("vary", "larger", "pick")),
        *((entry.name, "job") for entry in JOB_COMMANDS if entry.options),
        ("mine", "search"), ("favourite", "job"), ("recipe", "code"),
        *((f"lora {word}", "name") for word in ("info", "switch", "remove", "check", "allow", "revoke")),
    }  # fmt: skip


def test_no_two_options_share_a_spelling() -> None:
    spellings = [word for option in SUGAR_OPTIONS for word in {option.name, option.word, *option.flags}]
    assert len(spellings) == len(set(spellings))


def test_the_face_slots_are_those_of_the_value() -> None:
    assert tuple(option.name for option in SUGAR_OPTIONS if option.is_face_slot) == FACE_SLOTS


def test_a_hosts_telegram_menu_has_what_no_button_gives_and_everyones_has_all_but_the_hosts() -> None:
    by_button = [entry for entry in (*JOB_COMMANDS, ENTRY_OF[Adopt]) if entry.options]
    once = ENTRY_OF[ClaimBot]  # by the first host, who reads it on the machine
    listed = tuple(entry for entry in COMMANDS if entry not in (*by_button, once))
    assert table.telegram_menu(for_host=True) == listed
    everyones = tuple(entry for entry in listed if entry.right is Right.EVERYONE)
    assert table.telegram_menu(for_host=False) == everyones


BOUNDED = [option for option in SUGAR_OPTIONS if option.least is not None]


def test_the_menus_have_the_bounds_of_every_number() -> None:
    numbers = {
        option.name for option in SUGAR_OPTIONS if option.kind in (OptionKind.INTEGER, OptionKind.NUMBER)
    }
    assert numbers == {"weight", "seed", "count"} == {option.name for option in BOUNDED}


@pytest.mark.parametrize("option", BOUNDED, ids=lambda option: option.name)
def test_a_menu_accepts_exactly_what_the_grammar_accepts(option: Option) -> None:
    assert option.least is not None
    assert option.most is not None
    for taken in (option.least, option.most):
        draw_of("x", **{option.name: taken})  # type: ignore[arg-type]
    for refused in (option.least - 1, option.most + 1):
        with pytest.raises(NotUnderstood):
            draw_of("x", **{option.name: refused})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", SUGAR_OPTIONS, ids=lambda option: option.name)
def test_only_a_lora_and_the_words_of_a_face_may_hold_spaces(option: Option) -> None:
    assert option.takes_words is (option.name in ("lora", "no") or option.name in FACE_SLOTS)


def test_a_choice_says_its_default_first() -> None:
    [where] = [option for _, option in OPTIONS if option.kind is OptionKind.CHOICE]
    assert [choice.name for choice in where.choices] == ["here", "everywhere"]
