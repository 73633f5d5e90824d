"""Each face slot has suggestions in both languages, and the built-in model knows them."""

import pytest

from bot.commands.face import SUGGESTED, suggestions
from bot.commands.table import FACE_SLOTS
from engine.demo.phrases import EN, ZH


def test_each_slot_has_suggestions_in_both_languages() -> None:
    assert tuple(SUGGESTED) == FACE_SLOTS
    for slot, pairs in SUGGESTED.items():
        assert suggestions(slot, locale="zh-CN") == tuple(chinese for chinese, _ in pairs)
        assert suggestions(slot, locale="en") == tuple(english for _, english in pairs)


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
