"""What people mistype."""

import pytest

from bot.commands.grammar import draw_of
from bot.commands.values import PixelSize
from bot.errors import (
    BadCount,
    BadSeed,
    BadSize,
    BadWeight,
    EmptyPrompt,
    MissingValue,
    TextTooLong,
    UnknownCommand,
    UnknownFlag,
)
from engine.request import MAX_SEED
from tests.unit.bot.commands.typed import drawn, refused


@pytest.mark.parametrize(
    "size", ["0", "-1", "2:0", "0:3", "7x", "x7", "768", "a:b", "2:3:4", "123456x1", "-2:3", "2.5:3"]
)
def test_an_invalid_size_is_refused(size: str) -> None:
    assert refused(f"x --size {size}", BadSize) == {"text": size}


def test_a_chinese_size_of_zero_is_refused_as_typed() -> None:
    assert refused("脸 比例 2:0", BadSize) == {"text": "2:0"}
    assert refused("脸 比例 7x", BadSize) == {"text": "7x"}


def test_any_size_that_a_model_might_draw_passes_the_grammar() -> None:
    assert drawn("x --size 7x9999").size == PixelSize(7, 9999)


@pytest.mark.parametrize("seed", ["-1", "1.5", "seven", "4294967296", "9" * 5000, "٧", "1_0", "0x10", "1e3"])
def test_an_invalid_seed_is_refused(seed: str) -> None:
    assert refused(f"x --seed {seed}", BadSeed) == {"text": seed, "limit": MAX_SEED}


def test_the_largest_seed_is_accepted() -> None:
    assert drawn(f"x --seed {MAX_SEED}").seed == MAX_SEED
    assert drawn("x 种子 0").seed == 0


@pytest.mark.parametrize("count", ["0", "99", "-1", "two", "1.5", "5"])
def test_an_invalid_count_is_refused(count: str) -> None:
    assert refused(f"x -n {count}", BadCount) == {"text": count, "limit": 4}


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "9", "-2.1", "strong", "1e0", "0x1", "1_0", "--1"])
def test_an_invalid_weight_is_refused(weight: str) -> None:
    assert refused(f"x --lora sugar:{weight}", BadWeight)["text"] == weight
    assert refused(f"x <lora:sugar:{weight}>", BadWeight)["text"] == weight
    with pytest.raises(BadWeight):
        draw_of("x", weight=weight)


@pytest.mark.parametrize(
    ("text", "flag", "example"),
    [
        ("x --size", "--size", "--size 2:3"),
        ("x --size --seed 7", "--size", "--size 2:3"),
        ("x --size, y", "--size", "--size 2:3"),
        ("x -n", "-n", "--count 4"),
        ("x --lora", "--lora", "--lora sugar:0.8"),
        ("x --lora <lora:a>", "--lora", "--lora sugar:0.8"),
        ("x --lora sugar:", "sugar:", "--lora sugar:0.8"),
        ("x --skin, y", "--skin", "--skin dewy skin"),
        ('x --skin "" y', "--skin", "--skin dewy skin"),
        ("x <lora:>", "<lora:>", "<lora:sugar:0.8>"),
        ("x <lora:sugar", "<lora:sugar", "<lora:sugar:0.8>"),
        ("/lora switch", "/lora switch", "/lora switch sugar 0.8 --here"),
        ("/lora switch --here", "/lora switch", "/lora switch sugar 0.8 --here"),
    ],
)
def test_the_refusal_of_an_incomplete_option_says_what_is_missing(text: str, flag: str, example: str) -> None:
    facts = refused(text, MissingValue)
    assert facts["flag"] == flag or facts["flag"] == f"{flag} "
    assert facts["example"] == example


@pytest.mark.parametrize(
    ("text", "flag", "nearest"),
    [
        ("x --sed 7", "--sed", "--seed"),
        ("x --seed7", "--seed7", "--seed"),
        ("x,--sise 2:3", "--sise", "--size"),
        ("x --ｓｉｚ 2:3", "--ｓｉｚ", "--size"),
        ("脸 --尺村 2:3", "--尺村", "--尺寸"),
        ("脸 --眼影 金色", "--眼影", "--眼神"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(text: str, flag: str, nearest: str) -> None:
    facts = refused(text, UnknownFlag)
    assert facts["flag"] == flag
    assert nearest in facts["nearest"]  # type: ignore[operator]


def test_an_unknown_short_option_is_refused() -> None:
    assert refused("x -s 7", UnknownFlag)["flag"] == "-s"


@pytest.mark.parametrize(
    ("text", "word", "nearest"),
    [
        ("/sugr a face", "sugr", "/sugar"),
        ("/lora swich x", "lora swich", "/lora switch"),
        ("/quotas", "quotas", "/quota"),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest(text: str, word: str, nearest: str) -> None:
    facts = refused(text, UnknownCommand)
    assert facts["text"] == word
    assert nearest in facts["nearest"]  # type: ignore[operator]


@pytest.mark.parametrize("text", ["/", "／", "/ sugar", "/😀", "//", "/" + "x" * 500])
def test_a_slash_without_a_command_is_refused(text: str) -> None:
    assert len(str(refused(text, UnknownCommand)["text"])) <= 64


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\t", "/sugar", "/sugar --seed 7", "\x00", "\u202e", "/画", "<lora:a:1>"]
)
def test_a_message_without_a_prompt_is_refused(text: str) -> None:
    refused(text, EmptyPrompt)


def test_a_text_that_no_model_reads_is_refused_unread() -> None:
    assert len(drawn("面" * 8_000).prompt) == 8_000
    assert refused("面" * 8_001, TextTooLong) == {"length": 8_001, "limit": 8_000}
    with pytest.raises(TextTooLong):
        draw_of("a " * 5_000)
