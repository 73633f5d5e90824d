"""Sizes as people read them, and what people, files and platforms named, made safe for a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formatting import format_gib, format_size, in_gib, in_mib, printable, without_passwords


@pytest.mark.parametrize(
    ("count_bytes", "shown"),
    [
        (0, "0 MiB"),
        (3 * 2**20, "3 MiB"),
        (102 * 2**20, "102 MiB"),
        (103 * 2**20, "0.1 GiB"),
        (2**31, "2.0 GiB"),
    ],
)
def test_a_small_size_is_not_shown_as_zero(count_bytes: int, shown: str) -> None:
    assert format_size(count_bytes) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("url='http://me:secret@127.0.0.1:1/x'", "url='http://me:***@127.0.0.1:1/x'"),
        ("http://:s%40c@a:1 socks5://b:p@ss:w@c", "http://:***@a:1 socks5://b:***@c"),
        ("http://[::1]:80/a@b http://me@host:80/", "http://[::1]:80/a@b http://me@host:80/"),
        ("no address: me:secret@host", "no address: me:secret@host"),
    ],
)
def test_of_an_address_only_the_password_is_hidden(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\rb\x08c\x00\x7f", r"a\rb\x08c\x00\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("evil\u202egnp.exe\u2066", r"evil\u202egnp.exe\u2066"),
        ("\u200f\u061c\u2028\ufeff", r"\u200f\u061c\u2028\ufeff"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text", ["清透水光肌 · 512 × 768 – “sugar”", "two\nlines\tand a tab", "👩‍🎨 é ｓ", ""]
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert printable(text, is_one_line=False) == text


def test_one_line_stays_one_line() -> None:
    assert printable("job ended\nERROR forged", is_one_line=True) == r"job ended\nERROR forged"


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_reaches_the_terminal_as_a_command(text: str) -> None:
    shown = printable(text, is_one_line=True)
    assert not [
        character for character in shown if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    ]
    shown.encode()


def test_sizes_are_rounded_to_one_digit_unless_more_are_asked_for() -> None:
    assert in_gib(3 * 2**29) == "1.5"
    assert in_gib(2**30 + 2**28, digits=2) == "1.25"
    assert in_mib(159 * 2**20 + 2**19) == "159.5"
    assert format_gib(20 * 2**30) == "20.0 GiB"
