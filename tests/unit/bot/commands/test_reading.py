"""The value of one option, read from its text alone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.reading import count_of, is_number, lora_of, seed_of, size_of, weight_of, words_of
from bot.commands.values import LoraWish, Pixels, Ratio
from bot.errors import BadCount, BadSeed, BadSize, BadWeight, MissingValue, PersonError
from engine.request import MAX_SEED


@given(st.integers(1, 99_999), st.integers(1, 99_999))
def test_sizes(width: int, height: int) -> None:
    assert size_of(f"{width}:{height}") == Ratio(width, height)
    assert size_of(f"{width} × {height}") == Pixels(width, height)


@given(st.integers(0, MAX_SEED))
def test_seeds(seed: int) -> None:
    assert seed_of(str(seed)) == seed


@given(st.integers(-2000, 2000))
def test_weights_are_kept_to_three_places(thousandths: int) -> None:
    assert weight_of(f"{thousandths / 1000:.3f}") == thousandths / 1000
    assert str(weight_of("-0.0")) == "0.0"


READERS = [(size_of, BadSize), (seed_of, BadSeed), (count_of, BadCount), (weight_of, BadWeight)]


@pytest.mark.parametrize(("read", "error"), READERS)
@given(st.text(st.characters(exclude_categories=["N"])))
def test_what_holds_no_digit_is_refused_as_typed(
    read: Callable[[str], object], error: type[PersonError], text: str
) -> None:
    with pytest.raises(error) as refused:
        read(text)
    assert refused.value.facts["text"] == text


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("sugar", LoraWish("sugar")),
        ("Sugar_Face:0.8", LoraWish("Sugar_Face", 0.8)),
        (" sugar ： ０.８ ", LoraWish("sugar", 0.8)),
        ("a:b:1", LoraWish("a:b", 1.0)),
        ("NONE:1", LoraWish("none")),
        ("不用", LoraWish("none")),
    ],
)
def test_loras(text: str, wish: LoraWish) -> None:
    assert lora_of(text) == wish


@pytest.mark.parametrize("text", ["", " ", ":", ":1", "sugar:"])
def test_a_lora_needs_its_name_and_a_colon_its_weight(text: str) -> None:
    with pytest.raises(MissingValue):
        lora_of(text)


def test_words_hold_no_double_quotes() -> None:
    assert words_of(' "dewy" skin ') == "'dewy' skin"


def test_numbers_are_told_from_words() -> None:
    assert is_number("0.8")
    assert is_number("－１")
    assert not is_number("v1")
    assert not is_number("nan")
