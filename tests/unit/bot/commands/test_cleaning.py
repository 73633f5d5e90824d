"""What no prompt needs is gone, and everything else is as it was."""

from hypothesis import given
from hypothesis import strategies as st

from bot.commands.cleaning import clean, plain


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"])))
def test_visible_text_is_kept_byte_for_byte(text: str) -> None:
    assert clean(text) == text


def test_names_are_compared_half_width_and_without_capitals() -> None:
    assert plain("　ＳＩＺＥ ") == "size"
    assert plain("５１２×７６８") == "512x768"
    assert plain("2∶3") == "2:3"
    assert plain("−1") == "-1"
