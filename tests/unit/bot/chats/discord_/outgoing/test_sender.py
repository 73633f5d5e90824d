"""Text of people: no text has a meaning for Discord after ``as_plain_text``."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chats.discord_.outgoing.sender import MAX_CHARS, as_plain_text

ESCAPE = re.compile(r"\\[\\*_~`|<>#\[\-\s]")
MARKUP = re.compile(r"[*_~`|]|<[@#:/]")
LIVE = re.compile(r"@(?:everyone|here)\b|\w://|\]\(")  # Discord looks for these before it looks for escapes
PIECES = st.sampled_from(
    ["*", "_", "`", "~~", "||", "\\", "<", "@", "everyone", "[a](http://b)", "#", "://", " ", "\n", "字"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_no_text_keeps_a_meaning_for_discord(text: str) -> None:
    said = as_plain_text(text)
    assert not LIVE.search(said)
    assert not MARKUP.search(ESCAPE.sub("", said))


@settings(max_examples=50)
@given(st.lists(PIECES, min_size=1, max_size=20).map("".join), st.integers(1, 500))
def test_every_text_fits_one_message(text: str, times: int) -> None:
    assert len(as_plain_text(text * times)) <= MAX_CHARS


def test_ordinary_text_stays_unchanged() -> None:
    text = "Got it! 1 ahead of you; yours starts in about 10–15 s.\n清透水光肌 · 512 × 768 · seed 7"
    assert as_plain_text(text) == text


def test_a_time_of_ours_keeps_its_meaning() -> None:
    said = as_plain_text("again at <t:1800000000:f> (<t:1800000000:R>), not <t:1:x> or <@1>")
    assert said == "again at <t:1800000000:f> (<t:1800000000:R>), not \\<t:1:x> or \\<@1>"
