"""Texts stay within Telegram's limits, and their entities mark what they mean."""

import pytest
from telegram import MessageEntity

from bot.chats.telegram_.outgoing.texts import (
    FormattedText,
    formatted,
    truncate,
    units_of,
    with_quote,
    with_ticking_times,
)


def marked(shown: FormattedText) -> list[tuple[str, str]]:
    units = shown.text.encode("utf-16-le")
    return [
        (each.type, units[2 * each.offset : 2 * (each.offset + each.length)].decode("utf-16-le"))
        for each in shown.entities
    ]


@pytest.mark.parametrize("quoted", ["a fox", "🎨" * 40, "一只狐狸" * 400, "<b>a & b</b> *c* @someone"])
@pytest.mark.parametrize("text", ["", "seed 7 · 🎨", "x" * 1_000])
def test_a_quote_follows_the_text_and_both_fit(text: str, quoted: str) -> None:
    shown = with_quote(text, quoted, 1_024)
    assert units_of(shown.text) <= 1_024
    assert shown.text.startswith(text)
    [(kind, part)] = marked(shown)
    assert kind == MessageEntity.EXPANDABLE_BLOCKQUOTE
    assert part == quoted or (part.endswith("…") and quoted.startswith(part[:-1]))


def test_a_quote_without_room_or_words_is_left_out() -> None:
    for text, quoted in (("x" * 1_020, "a long prompt"), ("settings", " \n"), ("x" * 2_000, "a fox")):
        assert with_quote(text, quoted, 1_024) == FormattedText(truncate(text, 1_024))


def test_a_text_that_is_shortened_keeps_its_whole_entities_only() -> None:
    shown = with_ticking_times("<t:1790000000:R> and <t:1790000000:R>")
    assert formatted(shown, 100) is shown
    assert marked(formatted(shown, 20)) == [("date_time", "14:13:20 UTC")]
    assert formatted("a fox", 4) == FormattedText("a f…")


def test_our_times_become_entities_that_the_client_counts_down() -> None:
    shown = with_ticking_times("🎨 next; <t:1790000000:R> – <t:1790000060:R>.")
    assert shown.text == "🎨 next; 14:13:20 UTC – 14:14:20 UTC."
    assert marked(shown) == [("date_time", "14:13:20 UTC"), ("date_time", "14:14:20 UTC")]
    assert [(each.to_dict()["unix_time"], each.date_time_format) for each in shown.entities] == [
        (1_790_000_000, "r"),
        (1_790_000_060, "r"),
    ]
    dated = with_ticking_times("refills at <t:1790000000:f>")
    assert (dated.text, dated.entities[0].date_time_format) == ("refills at 2026-09-21 14:13 UTC", "Dt")
    for plain in ("at <t:x:R>", "<t:123456789012:R>", "no time"):
        assert with_ticking_times(plain) == FormattedText(plain)
