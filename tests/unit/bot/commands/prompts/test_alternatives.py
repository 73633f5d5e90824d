"""Alternatives in a prompt: one of each is drawn, by the seed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.prompts.alternatives import (
    DrawnText,
    compose_alternatives,
    draw_alternatives,
    escape,
    has_alternatives,
)
from bot.commands.prompts.face import SUGGESTED

TYPED = st.text(alphabet="ab ,{}|｛｜｝\\_lips唇妆", max_size=60)


def drawn_with(text: str) -> set[str]:
    return {draw_alternatives(text, seed).text for seed in range(60)}


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("{red|rose} lips", {"red lips", "rose lips"}),
        ("｛红｜玫瑰｝唇", {"红唇", "玫瑰唇"}),  # as Chinese keyboards write them
        ("a {big|small {fat|thin}} cat", {"a big cat", "a small fat cat", "a small thin cat"}),
        ("a girl{|, smiling}", {"a girl", "a girl, smiling"}),
        ("{a|b}{a|b}", {"aa", "ab", "ba", "bb"}),  # each draws for itself
        ("{a|b", {"{a|b"}),  # never closed
        ("a|b}", {"a|b}"}),  # never opened
        ("{masterpiece}", {"{masterpiece}"}),  # another bot's emphasis
        (r"\{a\|b\}", {"{a|b}"}),
        (r"\\{a|b}", {r"\a", r"\b"}),  # two backslashes are one, and the braces count
        (r"¯\_(ツ)_/¯ C:\dir", {r"¯\_(ツ)_/¯ C:\dir"}),
        ("__lips__", {english for _, english in SUGGESTED["lips"]}),
        ("__唇妆__", {chinese for chinese, _ in SUGGESTED["lips"]}),
        ("__唇妝__", {chinese for chinese, _ in SUGGESTED["lips"]}),
        ("__nothing__", {"__nothing__"}),
        (r"\__lips__", {"__lips__"}),
    ],
)
def test_one_of_each_alternatives_is_drawn(typed: str, texts: set[str]) -> None:
    assert drawn_with(typed) == texts
    assert has_alternatives(typed) is (texts != {typed})


def test_the_choices_are_named_in_order_without_those_within_others() -> None:
    assert draw_alternatives("{a {x|y}|b {x|y}} and {c|c} or {|}", 3).choices[1:] == ("c", "")
    assert draw_alternatives("{a {x|y}|b {x|y}}", 3).choices[0] in {"a x", "a y", "b x", "b y"}
    assert draw_alternatives("{only {x|x}}", 3).choices == ("x",)  # braces without a bar are prose


def test_a_seed_draws_the_same_text_for_ever() -> None:
    """The stored prompts of old jobs must not be the only record: a recipe code has the seed alone."""
    texts = "\n".join(draw_alternatives("{a|b|c} {d|e {f|g}|h} __eyes__", seed).text for seed in range(500))
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == "2006aea91404132d"


@given(text=TYPED, seed=st.integers(0, 2**32 - 1))
def test_an_escaped_text_is_drawn_as_it_is(text: str, seed: int) -> None:
    assert draw_alternatives(escape(text), seed) == DrawnText(text.strip())


@given(text=TYPED, seed=st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_never_longer_than_all_suggestions_allow(text: str, seed: int) -> None:
    longest = max(len(word) for rows in SUGGESTED.values() for row in rows for word in row)
    assert len(draw_alternatives(text, seed).text) <= len(text) + longest * text.count("__")


@pytest.mark.parametrize("typed", ["{" * 8_000, "{a|" * 2_600, "|" * 8_000, "{a|b}" * 1_600, "\\" * 8_000])
def test_hostile_texts_are_read_once(typed: str) -> None:
    assert len(draw_alternatives(typed, 1).text) <= len(typed)


def test_deep_braces_are_prose() -> None:
    typed = "{" * 20 + "a|b" + "}" * 20
    assert drawn_with(typed) == {typed}


def test_each_picture_draws_for_itself_and_gets_the_triggers_that_it_lacks() -> None:
    texts = compose_alternatives("{sugar face|a girl}, {red|rose} lips", ("sugar face",), range(40))
    assert set(texts) == {
        "sugar face, red lips", "sugar face, rose lips",
        "sugar face, a girl, red lips", "sugar face, a girl, rose lips",
    }  # fmt: skip
    assert compose_alternatives("a girl", ("sugar face",), range(4)) == ()
