"""Words in pictures: only what the font can write, broken into lines that fit."""

import pytest
from PIL import ImageFont

from bot.pictures import fonts
from bot.pictures.fonts import best_font, chinese_font, wrapped, writable

LATIN = ImageFont.load_default(24)


def test_what_the_font_lacks_is_left_out_and_a_substitute_stands_for_words_that_it_cannot_write() -> None:
    assert writable("a girl 🍬", "prompt 1", LATIN) == "a girl"
    assert writable("一个女孩", "prompt 1", LATIN) == "prompt 1"
    assert writable("seed 7 · strength 0.8", "", LATIN) == "seed 7 · strength 0.8"


@pytest.mark.skipif(chinese_font(24) is None, reason="no Chinese font is installed")
def test_a_chinese_font_writes_both_scripts() -> None:
    assert writable("一个女孩 a girl", "", best_font(24)) == "一个女孩 a girl"


def test_without_a_chinese_font_the_letters_are_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "CHINESE_FONTS", ("no-such-font.ttc",))
    chinese_font.cache_clear()
    best_font.cache_clear()
    try:
        assert writable("一个女孩", "prompt 1", best_font(24)) == "prompt 1"
    finally:
        chinese_font.cache_clear()
        best_font.cache_clear()


@pytest.mark.parametrize("words", ["a girl with red lips and a very long description", "W" * 90, "", "x"])
@pytest.mark.parametrize("most_lines", [1, 2, 3])
def test_lines_fit_and_only_the_last_is_cut(words: str, most_lines: int) -> None:
    lines = wrapped(words, LATIN, 200, most_lines)
    assert len(lines) <= most_lines
    assert all(LATIN.getlength(line) <= 200 for line in lines)
    assert not any(line.endswith("…") for line in lines[:-1])
    written = "".join(lines).replace(" ", "").removesuffix("…")
    assert words.replace(" ", "").startswith(written)
    if words and not lines[-1].endswith("…"):
        assert written == words.replace(" ", "")
