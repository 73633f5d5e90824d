"""The scanner with a vocabulary of its own."""

import pytest

from bot.commands.flags import nearest, scan
from bot.commands.table import Option, OptionKind
from bot.errors import UnknownFlag

WIDE = Option("wide", "宽", OptionKind.SWITCH, "about")
DEPTH = Option("depth", "深度", OptionKind.INTEGER, "about", example="3", keyword=True)


def test_only_the_given_options_are_known() -> None:
    found = scan("a --wide b 深度 3 种子 7", (WIDE, DEPTH))
    assert found.prompt == "a b 种子 7"
    assert [(flag.option.name, flag.value) for flag in found.flags] == [("wide", ""), ("depth", "3")]
    with pytest.raises(UnknownFlag):
        scan("a --seed 7", (WIDE, DEPTH))


def test_flags_are_asked_for_by_name() -> None:
    found = scan("--depth 1 --depth 2", (WIDE, DEPTH))
    assert [(flag.option.name, flag.value) for flag in found.flags] == [("depth", "1"), ("depth", "2")]
    assert found.last("depth") == "2"
    assert found.last("wide") is None


def test_without_options_everything_but_dashes_is_prose() -> None:
    assert scan("种子 7, a - b", ()).prompt == "种子 7, a - b"


def test_the_nearest_words_are_few_and_the_best_is_first() -> None:
    assert nearest("sugr", ["lora", "sugar", "sugar2", "sugars", "sugary"])[0] == "sugar"
    assert len(nearest("sugr", ["sugar", "sugar2", "sugars", "sugary"])) == 3
    assert nearest("zzz", ["sugar"]) == ()


def test_a_suggestion_shares_at_least_three_of_five_letters() -> None:
    assert nearest("suxyr", ["sugar"]) == ("sugar",)
    assert nearest("suxyz", ["sugar"]) == ()
    assert nearest("尺村", ["尺寸"]) == ("尺寸",)
    assert nearest("尺村子", ["尺寸"]) == ()


def test_the_longest_matching_name_wins() -> None:
    wider = Option("wider", "宽度", OptionKind.INTEGER, "about", example="3", keyword=True)
    for text in ("a --宽度 3", "a 宽度 3"):
        found = scan(text, (WIDE, wider))
        assert [(flag.option.name, flag.value) for flag in found.flags] == [("wider", "3")]


def test_without_options_every_dashed_word_is_unknown() -> None:
    with pytest.raises(UnknownFlag) as caught:
        scan("a --天气 晴", ())
    assert caught.value.facts == {"flag": "--天气", "nearest": ()}
