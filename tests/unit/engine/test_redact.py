"""A prompt is found in what others print, in whatever form."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redact import repeats

SECRET = 'a "quiet" girl\'s café, 清透水光肌 \\ 微醺'
WAYS: list[Callable[[str], str]] = [
    str, repr, ascii, str.upper, quote, quote_plus, html.escape, json.dumps,
    lambda text: json.dumps(json.dumps(text)),
    lambda text: repr(text.encode()),
    lambda text: "\u200b".join(text),
    lambda text: " ".join(text),
    lambda text: text.encode("unicode_escape").decode(),
    lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "prompt", [SECRET, "a secret wish", "清透水光肌", "ｓecret wish", "line\none two three"]
)
def test_a_prompt_is_found_however_it_is_written(prompt: str, way: Callable[[str], str]) -> None:
    assert repeats(f"Token indices of {way(prompt)} are too long", prompt)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("cannot read 'secret wi", "a secret wish"),
        ("…透水光…", "清透水光肌，微醺"),
        ("the cat sat", "Cat"),
        ("a🍬🍑💋b", "🍬🍑💋"),
    ],
)
def test_a_part_of_a_prompt_is_found(text: str, prompt: str) -> None:
    assert repeats(text, prompt)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("Loading checkpoint shards: 100%", "a girl with a red hat"),
        ("a girl", "a boy and a girlfriend"),  # six letters in common
        ("清透", "清透水光肌"),
        ("anything", ""),
        ("a b", "a!"),  # two letters reveal nothing
        ("\\Uffffffff \\x", "a secret wish"),
    ],
)
def test_other_text_passes(text: str, prompt: str) -> None:
    assert not repeats(text, prompt)


@given(text=st.text(max_size=80), prompt=st.text(max_size=80))
def test_any_text_gets_a_result(text: str, prompt: str) -> None:
    assert repeats(text, prompt) in (True, False)
