"""Recipe codes: typos are noticed, and a code is found wherever people paste it."""

import contextlib
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.finding.codes import (
    find_recipe_code,
    format_recipe_code,
    is_recipe_code,
    looks_like_recipe_code,
    new_recipe_code,
    recipe_code_of,
)
from bot.commands.reading import CODE_DIGITS
from bot.errors import BadRecipeCode

CODE = "K3F97QXM2AWV"
CODES = st.integers().map(lambda seed: new_recipe_code(Random(seed)))


@given(CODES)
def test_a_new_code_is_read_as_it_is_written(code: str) -> None:
    assert is_recipe_code(code)
    assert recipe_code_of(format_recipe_code(code)) == code
    assert find_recipe_code(format_recipe_code(code)) == code


def test_new_codes_differ() -> None:
    random = Random(1)
    assert len({new_recipe_code(random) for _ in range(1_000)}) == 1_000


def test_every_one_and_every_two_wrong_characters_are_noticed() -> None:
    for first, second in combinations(range(len(CODE)), 2):
        for one in CODE_DIGITS:
            for other in CODE_DIGITS:
                typed = [*CODE]
                typed[first], typed[second] = one, other
                assert is_recipe_code("".join(typed)) is ((one, other) == (CODE[first], CODE[second]))


@given(CODES, st.data())
def test_two_characters_that_changed_places_are_noticed(code: str, data: st.DataObject) -> None:
    first, second = data.draw(st.sampled_from(list(combinations(range(len(code)), 2))))
    typed = [*code]
    typed[first], typed[second] = typed[second], typed[first]
    assert is_recipe_code("".join(typed)) is (code[first] == code[second])


@pytest.mark.parametrize(
    "typed",
    [
        *("K3F9-7QXM-2AWV", "k3f9-7qxm-2awv", "K3F97QXM2AWV", "k3f9 7qxm 2awv", " K3F9-7QXM-2AWV "),
        *("r_K3F97QXM2AWV", "R_k3f97qxm2awv", "Ｋ３Ｆ９－７ＱＸＭ－２ＡＷＶ", "K3F9–7QXM—2AWV"),
    ],
)
def test_a_code_is_forgiving_in_case_width_and_dashes(typed: str) -> None:
    assert recipe_code_of(typed) == CODE


def test_misread_characters_are_read_as_those_they_look_like() -> None:
    code = next(code for seed in range(99) if {*"01"} <= {*(code := new_recipe_code(Random(seed)))})
    assert recipe_code_of(code.replace("0", "O").replace("1", "l")) == code


@pytest.mark.parametrize(
    "typed", ["", "K3F9", "K3F9-7QXM-2AWW", "K3F9-7QXM-2AVW", "K3F9-7QXM-2AWV-1", "面" * 12]
)
def test_a_wrong_code_is_a_typo_and_not_an_unknown_code(typed: str) -> None:
    with pytest.raises(BadRecipeCode) as caught:
        recipe_code_of(typed)
    assert caught.value.facts == {"text": typed}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "try K3F9-7QXM-2AWV, it is nice",
            "(K3F9-7QXM-2AWV)",
            "配方K3F9-7QXM-2AWV画一下",
            "K3F9－7QXM－2AWV",
        ),
        *("https://t.me/a_bot?start=r_K3F97QXM2AWV", "tg://resolve?domain=b&start=r_K3F97QXM2AWV"),
        *("K3F9-7QXM-2AWW or K3F9-7QXM-2AWV", "r_K3F9-7QXM-2AWV"),
    ],
)
def test_a_code_is_found_inside_a_text(text: str) -> None:
    assert find_recipe_code(text) == CODE


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a girl",
            "K3F97QXM2AWV",
            "K3F9-7QXM-2AWW",
            "1K3F9-7QXM-2AWV",
            "K3F9-7QXM-2AWV-K3F9",
            "-K3F9-7QXM-2AWV",
        ),
        *("5551-2345-6789", "?start=r_K3F97QXM2AWV1", "?begin=r_K3F97QXM2AWV", "K3F9 7QXM 2AWV"),
    ],
)
def test_other_text_holds_no_code(text: str) -> None:
    assert find_recipe_code(text) == ""


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found = find_recipe_code(text)
    assert not found or is_recipe_code(found)
    looks_like_recipe_code(text)
    with contextlib.suppress(BadRecipeCode):
        assert is_recipe_code(recipe_code_of(text))


def test_a_whole_text_looks_like_a_code_or_not() -> None:
    assert looks_like_recipe_code("k3f9-7qxm-aaaa")
    assert not looks_like_recipe_code("k3f9-7qxm-aaaa please")
