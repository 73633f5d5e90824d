"""What no prompt needs is gone, everything else stays; prompt, slots and triggers become one prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.text import clean, compose_prompt, normalize
from bot.commands.values import Face
from engine.demo.captions import SLOTS
from engine.demo.phrases import TRIGGERS, ZH

TRIGGER = "Sugar面部"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"])))
def test_visible_text_is_kept_byte_for_byte(text: str) -> None:
    assert clean(text) == text


def test_names_are_compared_half_width_and_without_capitals() -> None:
    assert normalize("　ＳＩＺＥ ") == "size"
    assert normalize("５１２×７６８") == "512x768"
    assert normalize("2∶3") == "2:3"
    assert normalize("−1") == "-1"


def test_control_characters_and_bidi_overrides_are_dropped_and_their_neighbours_kept() -> None:
    dropped = [
        *range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)
    ]  # fmt: skip
    as_spaces = (0x09, 0x0A, 0x0D)
    for code in dropped:
        assert clean(f"a{chr(code)}b") == ("a b" if code in as_spaces else "ab"), hex(code)
    for code in (0x20, 0x7E, 0xA0, 0x2029, 0x202F, 0x2065, 0x206A):
        assert clean(f"a{chr(code)}b") == f"a{chr(code)}b", hex(code)


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
    assert compose_prompt(prompt, face, triggers).final == final


def test_the_prompt_of_the_five_slots_starts_with_the_trigger_and_uses_full_width_commas() -> None:
    values = {"skin": "dewy", "blush": "peach", "lips": "nude", "eyes": "upturned", "lashes": "fine"}
    face = Face(**{name: ZH[name][value][0] for name, value in values.items()})
    prompt = compose_prompt("", face, [TRIGGERS["sugar"]]).final
    assert prompt == "Sugar面部，清透水光肌，微醺蜜桃腮红，薄涂裸粉唇釉，眼尾轻挑，细碎睫毛轻颤"
    assert set(SLOTS) == set(values)
