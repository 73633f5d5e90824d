"""The text of a picture's settings: the web UI's grammar, ours, and texts that mean harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.uploads import LoraTag, Parameters, parse_parameters
from engine.finish.metadata import PictureSettings, describe
from engine.request import LoraChoice

LINE = (
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 45dee52b"
)


def test_a_picture_of_the_web_ui_is_read() -> None:
    found = parse_parameters(
        "a (girl:1.2), <lora:detail:0.6>, red\nlips <lyco:soft:-0.5:1> <hypernet:old:1>\n"
        f'Negative prompt: bad,\nugly\n{LINE}, Model: base, Lora hashes: "detail: 1a2b3c4d5e6f", V: 1'
    )
    assert found.prompt == "a (girl:1.2),, red\nlips"
    assert found.negative == "bad,\nugly"
    assert found.loras == (LoraTag("detail", 0.6, "1a2b3c4d5e6f"), LoraTag("soft", -0.5))
    assert found.hypernets == ("old",)
    assert (found.seed, found.steps, found.size) == (965400086, 20, (512, 768))
    assert (found.fact("Sampler"), found.fact("Model"), found.fact("none")) == ("DPM++ 2M Karras", "base", "")


def test_our_own_settings_come_back() -> None:
    loras = (LoraChoice("su,gar 2", "a" * 64, 0.8), LoraChoice("糖/face", "b" * 64, 1.0))
    ours = PictureSettings("一个女孩, red: lips", 7, 512, 768, 8, 'a "model", of ours', loras)
    found = parse_parameters(describe(ours))
    assert (found.prompt, found.seed, found.steps, found.size) == (ours.prompt, 7, 8, (512, 768))
    assert [(tag.name, tag.hash, tag.weight) for tag in found.loras] == [
        (lora.name, lora.sha256, lora.weight) for lora in loras
    ]
    assert found.fact("Model") == ours.model


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Parameters("")),
        ("a girl", Parameters("a girl")),
        ("a girl\nSteps: 8, Seed: 7", Parameters("a girl\nSteps: 8, Seed: 7")),
        ("Negative prompt: bad", Parameters("", "bad")),
        ("<lora:a>", Parameters("", loras=(LoraTag("a", 1.0),))),
        ("<lora:a:x:0.5> b <lora:a:.25>", Parameters("b", loras=(LoraTag("a", 0.25),))),
        (
            "<lora:a:inf> <lora:b:1e9> <lora::1>",
            Parameters("<lora::1>", loras=(LoraTag("a", 1.0), LoraTag("b", 1.0))),
        ),
    ],
)
def test_short_and_odd_texts_are_read(text: str, found: Parameters) -> None:
    assert parse_parameters(text) == found


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ("A1: x, B: , C:y", (("A1", "x"), ("B", ""), ("C", "y"))),
        ('Aa: "x, \\"y\\": z", Bb: 1, Cc: 2', (("Aa", 'x, "y": z'), ("Bb", "1"), ("Cc", "2"))),
        ('Aa: "open, Bb: 1, Cc: 2', (("Aa", '"open'), ("Bb", "1"), ("Cc", "2"))),
        ('Aa: [{"t":"c","m":1}], Bb: 1, Cc: 2', (("Aa", '[{"t":"c"'), ("Bb", "1"), ("Cc", "2"))),
        ("no pair, Aa: 1, Bb: 2, Cc: 3, end", (("Aa", "1"), ("Bb", "2"), ("Cc", "3"))),
    ],
)
def test_a_line_of_pairs_is_read_pair_by_pair(line: str, facts: tuple[tuple[str, str], ...]) -> None:
    assert parse_parameters(f"a\n{line}").facts == facts


@pytest.mark.parametrize("seed", ["-1", "1e3", "99999999999", "x", ""])
def test_a_seed_that_is_no_number_is_none(seed: str) -> None:
    assert parse_parameters(f"a\nSteps: 1, Seed: {seed}, Size: 1x1, Aa: b").seed is None


@pytest.mark.parametrize(
    "piece",
    ["a:", '"', ", ", 'a "', "\\", "<lora:", "<lora:a:1>", 'k: "', "Negative prompt:", "a b", ": ", "\n"],
)
def test_a_text_that_repeats_one_thing_takes_no_longer_than_others(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    parse_parameters(f"{text}\n{text}")  # a quadratic reader would take minutes


@given(
    st.text() | st.lists(st.sampled_from([*'a:,"\\\n<> ', "lora:", "Steps: 1, ", "Seed: 2, "])).map("".join)
)
def test_any_text_is_read(text: str) -> None:
    found = parse_parameters(text)
    assert len(found.prompt) <= len(text)
    assert all(isinstance(tag.weight, float) for tag in found.loras)
