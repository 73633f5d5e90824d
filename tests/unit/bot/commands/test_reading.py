"""The value of one option, read from its text alone."""

from collections.abc import Callable
from random import SystemRandom
from unicodedata import normalize

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bot.commands.grammar import parse
from bot.commands.reading import (
    ASPECTS,
    LINK_CODE_CHARS,
    count_of,
    format_link_code,
    is_link_code,
    is_number,
    link_code_of,
    lora_of,
    new_link_code,
    seed_of,
    size_of,
    weight_of,
    words_of,
)
from bot.commands.text import normalize as comparable
from bot.commands.values import MAX_TOTAL_WEIGHT, MAX_WEIGHT, Draw, Link, LoraWish, PixelSize, Ratio, Unlink
from bot.errors import BadCount, BadSeed, BadSize, BadWeight, MissingValue, PersonError
from bot.languages import typed_forms
from engine.request import MAX_SEED


@given(st.integers(1, 99_999), st.integers(1, 99_999))
def test_sizes(width: int, height: int) -> None:
    assert size_of(f"{width}:{height}") == Ratio(width, height)
    assert size_of(f"{width} × {height}") == PixelSize(width, height)


@given(st.integers(0, MAX_SEED))
def test_seeds(seed: int) -> None:
    assert seed_of(str(seed)) == seed


@given(st.integers(-2000, 2000))
def test_weights_keep_three_decimals(thousandths: int) -> None:
    assert weight_of(f"{thousandths / 1000:.3f}") == thousandths / 1000
    assert str(weight_of("-0.0")) == "0.0"


NAMES = {form for _, *names in ASPECTS for name in names for form in typed_forms(name)}
READERS = [(size_of, BadSize), (seed_of, BadSeed), (count_of, BadCount), (weight_of, BadWeight)]


@pytest.mark.parametrize(("read", "error"), READERS)
@given(st.text().filter(lambda text: not any(map(str.isnumeric, normalize("NFKC", text)))))
@example("portraits")
def test_text_without_a_digit_is_refused_as_typed(
    read: Callable[[str], object], error: type[PersonError], text: str
) -> None:
    assume(read is not size_of or comparable(text) not in NAMES)
    with pytest.raises(error) as refused:
        read(text)
    assert refused.value.facts["text"] == text


@pytest.mark.parametrize(("shape", "english", "chinese"), ASPECTS)
def test_a_shape_has_names_in_every_script(shape: str, english: str, chinese: str) -> None:
    for name in (english, english.upper(), *typed_forms(chinese)):
        assert size_of(name) == size_of(shape)


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


def test_numbers_and_words_are_distinguished() -> None:
    assert is_number("0.8")
    assert is_number("－１")
    assert not is_number("v1")
    assert not is_number("nan")


@pytest.mark.parametrize(
    ("text", "number"),
    [("零", 0), ("〇", 0), ("九", 9), ("十", 10), ("十六", 16), ("二十", 20), ("两", 2), ("九十九", 99)],
)
def test_chinese_numerals_below_a_hundred(text: str, number: int) -> None:
    assert seed_of(text) == number


@pytest.mark.parametrize("text", ["一百", "十十", "二三", "一零", "第一"])
def test_other_chinese_numerals_are_refused(text: str) -> None:
    with pytest.raises(BadSeed):
        seed_of(text)


def test_a_number_may_equal_its_bounds() -> None:
    assert [count_of("1"), count_of("4")] == [1, 4]
    assert [weight_of("-2"), weight_of("2.000"), weight_of(".5"), weight_of("+1.")] == [-2.0, 2.0, 0.5, 1.0]
    assert [seed_of("0"), seed_of(str(MAX_SEED))] == [0, MAX_SEED]
    for read, wrong, error in (
        (count_of, "0", BadCount),
        (count_of, "5", BadCount),
        (weight_of, "2.001", BadWeight),
        (weight_of, "-2.001", BadWeight),
        (seed_of, str(MAX_SEED + 1), BadSeed),
    ):
        with pytest.raises(error):
            read(wrong)


def test_a_weight_is_rounded_to_three_decimals() -> None:
    assert weight_of("0.12345") == 0.123


def test_all_loras_together_have_at_most_the_largest_weight_of_one() -> None:
    assert MAX_TOTAL_WEIGHT == MAX_WEIGHT == 2.0


def test_codes_are_many_short_and_read_back_as_they_are_shown() -> None:
    codes = {new_link_code(SystemRandom()) for _ in range(1000)}
    assert len(codes) == 1000
    assert {len(code) for code in codes} == {LINK_CODE_CHARS}
    assert all(
        link_code_of(format_link_code(code)) == code and is_link_code(format_link_code(code))
        for code in codes
    )
    assert len(set("".join(codes))) == 32  # five bits a character


@pytest.mark.parametrize("typed", ["K3F9-7QX0", "k3f9 7qxo", " K3F97QX0 ", "k3f9–7qxO", "K3F9-7QXo."])
def test_common_typing_errors_in_a_code_are_corrected(typed: str) -> None:
    assert link_code_of(typed) == "K3F97QX0"
    assert parse(f"/link {typed}") == Link("K3F97QX0")


@pytest.mark.parametrize("typed", ["/link", "/关联", "关联", "绑定", "/link@sugarbot", "  关联账号 "])
def test_link_without_a_code_requests_one(typed: str) -> None:
    assert parse(typed) == Link()


def test_a_code_may_follow_the_chinese_word_and_prose_may_too() -> None:
    assert parse("关联 k3f9-7qx0") == Link("K3F97QX0")
    assert parse("绑定：K3F9-7QX0") == Link("K3F97QX0")
    assert parse("关联 两张照片里的人") == Draw(prompt="关联 两张照片里的人")


@pytest.mark.parametrize("typed", ["/unlink", "/取消关联", "取消关联", "解绑"])
def test_unlink_is_a_separate_command(typed: str) -> None:
    assert parse(typed) == Unlink()


def test_a_code_shows_in_no_repr() -> None:
    assert "K3F97QX0" not in repr(Link("K3F97QX0"))


def test_a_code_is_shown_in_two_halves() -> None:
    assert format_link_code("K3F97QXM") == "K3F9-7QXM"


@pytest.mark.parametrize("typed", ["K3F97QX", "K3F97QX00", "UUUUUUUU", "K3F97QX面", ""])
def test_a_code_of_wrong_length_or_with_another_sign_is_refused(typed: str) -> None:
    assert not is_link_code(typed)
    assert parse(f"关联 {typed}".strip()) == (Draw(prompt=f"关联 {typed}") if typed else Link())
