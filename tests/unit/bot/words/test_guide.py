"""Help and buttons."""

import pytest

from bot.commands.grammar import parse
from bot.commands.table import COMMANDS, SUGAR_OPTIONS
from bot.commands.values import Draw
from bot.words import LOCALES, help_text, label
from bot.words.guide import LABELS


@pytest.mark.parametrize("locale", LOCALES)
def test_help_names_every_command_and_option_on_one_screen(locale: str) -> None:
    said = help_text(locale)
    assert all(entry.usage in said for entry in COMMANDS)
    assert all(
        f"--{option.word}" in said or f"--{option.name}" in said
        for option in SUGAR_OPTIONS
        if not option.positional
    )
    assert len(said) <= 2000
    assert len(said.splitlines()) <= 25


@pytest.mark.parametrize("locale", LOCALES)
def test_every_example_in_help_is_understood(locale: str) -> None:
    commands, _, options = help_text(locale).partition("\n\n")
    for line in commands.splitlines()[1:]:
        parse(line.split(" – ")[0])
    for line in options.splitlines()[1:]:
        flag = line.split(" – ")[0]
        assert parse(f"a face {flag}") != Draw("a face"), flag


def test_every_usage_makes_its_own_command() -> None:
    assert all(type(parse(entry.usage)) is entry.makes for entry in COMMANDS)


def test_labels_fit_on_a_button() -> None:
    for key in LABELS:
        assert label(key, "en") != label(key, "zh-CN")
        assert all(0 < len(label(key, locale)) <= 20 for locale in LOCALES)
    with pytest.raises(KeyError):
        label("nothing", "en")
