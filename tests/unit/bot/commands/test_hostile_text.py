"""Texts that were made to break the grammar."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.commands.grammar import draw_of, parse
from bot.errors import NotUnderstood, PersonError

WORDS = """
-- －－ — -n -seed —size --steps --no --風格 種子 零 十六比九 abc
--size --seed --skin --lora --尺寸 比例 种子 张数 权重 <lora: ＜lora： > : ：
2:3 512x768 7 -1 nan 0.8 , ， " “ ” / /sugar /lora 画 @bot = none --private a 面
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), " ", "\n", "/lora switch ", "\x00", "\u202e", "\ud800"])
MESSAGES = st.lists(FRAGMENTS | st.text(max_size=6), max_size=14).map("".join)


@settings(max_examples=400)
@given(MESSAGES)
def test_no_message_raises_anything_but_a_refusal(text: str) -> None:
    with contextlib.suppress(NotUnderstood):
        parse(text)


@settings(max_examples=200)
@given(MESSAGES, st.text(max_size=8) | st.floats() | st.integers() | st.none(), MESSAGES)
def test_no_slash_option_raises_anything_but_a_refusal(
    prompt: str, number: str | float | None, words: str
) -> None:
    with contextlib.suppress(NotUnderstood):
        draw_of(prompt, lora=words, weight=number, size=words, seed=number, count=number, skin=words)


@pytest.mark.parametrize(
    "text",
    ["--skin " * 1100, "-- " * 2600, "<lora:" * 1300, "种子" + " " * 7900, "——" * 4000, '--skin "' * 900,
     "9" * 8000, "--size 9" + " " * 7900, "-" * 8000, "(" * 8000, "比例 9" * 1600, "画 " * 4000,
     "-ab 9 " * 1300, "—sise 2:3 " * 800, "--lora a 9" + " " * 7900, "种子 a " * 1600, "种子 " + "a" * 7900,
     "十" * 8000, "张数 " + "十" * 7900, " ——眼神" * 1600],
)  # fmt: skip
def test_no_message_takes_long_to_read(text: str) -> None:
    begin_s = time.process_time()
    with contextlib.suppress(PersonError):
        parse(text)
    assert time.process_time() - begin_s < 1.0
