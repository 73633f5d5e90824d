"""Help and buttons."""

import pytest

from bot.commands.grammar import parse
from bot.commands.table import COMMANDS, SUGAR_OPTIONS, Right
from bot.commands.table.jobs import JOB_COMMANDS
from bot.commands.values import (
    Adopt,
    Compare,
    Draft,
    Draw,
    Export,
    Favourite,
    GiveCredits,
    LoraInfo,
    LoraRevoke,
    ReadSettings,
    ShowRecipe,
    Unlink,
)
from bot.languages import in_script
from bot.messages import LOCALES, button_label, help_text, text
from bot.messages.guide import BUTTON_LABELS, host_help_text
from engine.demo.vocabulary import vocabulary


@pytest.mark.parametrize("locale", LOCALES)
def test_help_names_every_command_and_option_on_one_screen(locale: str) -> None:
    message = help_text(locale)
    buttons = {entry.command_type for entry in JOB_COMMANDS if entry.right is Right.EVERYONE}
    beside = buttons | {
        *(Favourite, ShowRecipe, ReadSettings, Export),
        *(Adopt, Compare, Draft),
        LoraInfo,
        LoraRevoke,
        Unlink,
        GiveCredits,
    }
    everyones = [entry for entry in COMMANDS if entry.right is Right.EVERYONE]
    assert all(
        text(entry.usage, locale) in message for entry in everyones if entry.command_type not in beside
    )
    assert "/help hosts" in message.split("\n\n")[0].splitlines()[-1]
    assert all(
        entry.name.split()[-1] in message for entry in COMMANDS if entry.command_type in beside - buttons
    )
    assert all(
        f"--{in_script(option.word, locale)}" in message or f"--{option.name}" in message
        for option in SUGAR_OPTIONS
        if not option.positional and not option.typed_only
    )
    assert len(message) <= 2000
    assert len(message.splitlines()) <= 25


@pytest.mark.parametrize("locale", LOCALES)
def test_every_example_in_help_is_understood(locale: str) -> None:
    commands, _, options = help_text(locale).partition("\n\n")
    for line in (*commands.splitlines()[1:-1], *host_help_text(locale).splitlines()[1:]):
        parse(line.split(" – ")[0])
    for line in options.splitlines()[1:]:
        flag = line.split(" – ")[0]
        assert parse(f"a face {flag}") != Draw("a face"), flag


@pytest.mark.parametrize("locale", LOCALES)
def test_every_usage_makes_its_own_command(locale: str) -> None:
    assert all(type(parse(text(entry.usage, locale))) is entry.command_type for entry in COMMANDS)


def test_english_help_holds_no_chinese_and_chinese_help_shows_a_chinese_prompt() -> None:
    english, chinese, taiwanese = (help_text(locale, vocabulary(locale)) for locale in LOCALES)
    assert not [letter for letter in english if "\u3400" <= letter <= "\u9fff"]
    for each in (chinese, taiwanese):  # the built-in model knows words in Simplified characters alone
        assert "/sugar Sugar面部，清透水光肌，微醺蜜桃腮红" in each


@pytest.mark.parametrize("locale", LOCALES)
def test_help_lists_a_small_vocabulary_on_the_same_screen(locale: str) -> None:
    message = help_text(locale, vocabulary(locale))
    assert message.startswith(help_text(locale))
    assert all(line in message for line in vocabulary(locale))
    assert len(message) <= 2000
    assert len(message.splitlines()) <= 25


def test_labels_fit_on_a_button() -> None:
    for key in BUTTON_LABELS:
        assert button_label(key, "en") != button_label(key, "zh-CN")
        assert all(0 < len(button_label(key, locale)) <= 20 for locale in LOCALES)
    with pytest.raises(KeyError):
        button_label("nothing", "en")


@pytest.mark.parametrize("locale", LOCALES)
def test_the_help_for_hosts_names_each_of_their_commands_on_one_screen(locale: str) -> None:
    message = host_help_text(locale)
    for_hosts = [entry for entry in COMMANDS if entry.right is Right.HOST]
    assert all(text(entry.usage, locale) in message for entry in for_hosts)
    assert len(message.splitlines()) == 1 + len(for_hosts)
    assert len(message) <= 2000
