"""Each face slot has suggestions in both languages, and the built-in model knows them."""

import pytest

from bot.commands.prompts.face import SUGGESTED, slot_of_wildcard, suggestions, surprise_of, wildcard_of
from bot.commands.table import FACE_SLOTS
from engine.demo.phrases import EN, ZH


def test_each_slot_has_suggestions_in_both_languages() -> None:
    assert tuple(SUGGESTED) == FACE_SLOTS
    for slot, pairs in SUGGESTED.items():
        assert suggestions(slot, locale="zh-CN") == (*(chinese for chinese, _ in pairs), "给我惊喜")
        assert suggestions(slot, locale="en") == (*(english for _, english in pairs), "surprise me")


@pytest.mark.parametrize("slot", FACE_SLOTS)
def test_the_built_in_model_knows_every_suggestion_and_each_means_another_value(slot: str) -> None:
    for column, phrases in enumerate((ZH, EN)):
        meant = [
            value
            for pair in SUGGESTED[slot]
            for value, words in phrases[slot].items()
            if pair[column] in words
        ]
        assert sorted(meant) == sorted(phrases[slot])


def test_suggestions_follow_what_was_typed_in_either_language() -> None:
    assert suggestions("skin", "DEWY") == ("dewy skin",)
    assert suggestions("skin", "水光", "en") == ("dewy skin",)
    assert suggestions("skin", "nothing of the kind") == ()


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("surprise me", "__lips__"), ("RANDOM", "__lips__"), ("给我惊喜", "__唇妆__"), ("随机", "__唇妆__"),
        ("隨機", "__唇妆__"), ("a surprise", "a surprise"), ("red", "red"),
    ],
)  # fmt: skip
def test_a_slot_may_ask_for_a_surprise(typed: str, value: str) -> None:
    assert surprise_of("lips", typed) == value


@pytest.mark.parametrize("slot", SUGGESTED)
@pytest.mark.parametrize(("locale", "column"), [("zh-CN", 0), ("en", 1)])
def test_a_wildcard_names_its_slot_and_its_language(slot: str, locale: str, column: int) -> None:
    assert slot_of_wildcard(wildcard_of(slot, locale)) == (slot, column)
