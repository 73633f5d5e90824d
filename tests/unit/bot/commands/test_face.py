"""From prompt, slots and triggers to the final prompt."""

import pytest

from bot.commands.face import SUGGESTED, compose, suggestions
from bot.commands.table import FACE_SLOTS
from bot.commands.values import Face
from engine.demo.phrases import EN, ZH

TRIGGER = "Sugar面部"


@pytest.mark.parametrize(
    ("prompt", "face", "triggers", "final"),
    [
        ("清透水光肌", Face(), [TRIGGER], "Sugar面部，清透水光肌"),
        ("Sugar面部,清透水光肌", Face(), [TRIGGER], "Sugar面部,清透水光肌"),
        ("sugar面部, 甜妹", Face(), [TRIGGER], "sugar面部, 甜妹"),
        ("甜妹", Face("肌", "红", "唇", "眼", "睫"), [TRIGGER], "Sugar面部，甜妹，肌，红，唇，眼，睫"),
        ("", Face(lips="唇", lashes="睫"), [], "唇，睫"),
        ("a girl", Face(skin="glass skin"), ["sugarface"], "sugarface, a girl, glass skin"),
        ("a girl", Face(skin="清透水光肌"), ["sugarface"], "sugarface，a girl，清透水光肌"),
        ("a girl", Face(skin="sugarface skin"), ["sugarface"], "a girl, sugarface skin"),
        ("a girl", Face(), ["x", "", "x", "y"], "x, y, a girl"),
        ("  spaces, kept , ", Face(), [], "  spaces, kept , "),
        ("", Face(), [TRIGGER], "Sugar面部"),
    ],
)
def test_a_final_prompt(prompt: str, face: Face, triggers: list[str], final: str) -> None:
    assert compose(prompt, face, triggers) == final


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
