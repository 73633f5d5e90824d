"""Names from files never reach a terminal as commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("a\u202eb\u2066\u200b\ufeff", r"a\u202eb\u2066\u200b\ufeff"),
        ("\ud800", r"\ud800"),
        ("糖 é 👩‍🎨 – ok", "糖 é 👩‍🎨 – ok"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_shown_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert len(shown.encode().splitlines()) <= 1
    assert "\x1b" not in shown
