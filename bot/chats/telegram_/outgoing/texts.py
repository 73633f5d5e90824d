"""Texts as Telegram shows them: within its limits, which count UTF-16 units, and with entities.

Entities mark a part of a text by its position. No parse mode is used, so nothing that a person typed can
become markup.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from telegram import MessageEntity
from telegram.constants import MessageEntityDateTimeFormats

MIN_QUOTE_UNITS = 16  # a shorter rest of a prompt says nothing
_TIME = re.compile(r"<t:(?P<unix>\d{1,11}):(?P<form>[fR])>", re.ASCII)
_TIME_FORMS = {
    "R": (MessageEntityDateTimeFormats.RELATIVE, "%H:%M:%S UTC"),
    "f": (MessageEntityDateTimeFormats.LONG_DATE_SHORT_TIME, "%Y-%m-%d %H:%M UTC"),
}
"""Form → Telegram's format of the entity, and the text that clients show which do not know the entity."""


@dataclass(frozen=True, slots=True)
class FormattedText:
    """A text with its entities, whose offsets count UTF-16 units."""

    text: str
    entities: tuple[MessageEntity, ...] = ()


NO_TEXT = FormattedText("")


def formatted(text: str | FormattedText, limit: int) -> FormattedText:
    """Return the text shortened to ``limit`` units, with the entities that are still whole."""
    whole = text if isinstance(text, FormattedText) else FormattedText(text)
    shown = truncate(whole.text, limit)
    if shown == whole.text:
        return whole
    end = units_of(shown) - 1
    return FormattedText(shown, tuple(each for each in whole.entities if each.offset + each.length <= end))


def units_of(text: str) -> int:
    """Return the length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def truncate(text: str, limit: int) -> str:
    """Shorten ``text`` to ``limit`` UTF-16 units, as Telegram counts, without splitting a character."""
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore") + "…"


def with_quote(text: str, quoted: str, limit: int) -> FormattedText:
    """Put a quote, collapsed when it is long, below a text; together at most ``limit`` units.

    The quote is shortened first, and left out if almost nothing of it would remain.
    """
    text, quoted = truncate(text, limit), quoted.strip()
    offset = units_of(text) + 1
    left = limit - offset
    if not quoted or (left < MIN_QUOTE_UNITS and units_of(quoted) > left):
        return FormattedText(text)
    quoted = truncate(quoted, left)
    entity = MessageEntity(MessageEntity.EXPANDABLE_BLOCKQUOTE, offset, units_of(quoted))
    return FormattedText(f"{text}\n{quoted}", (entity,))


def with_code(text: str, code: str, limit: int) -> FormattedText:
    """Put a text that a tap copies below a sentence; together at most ``limit`` units."""
    offset = units_of(text) + 1
    shown = truncate(code, limit - offset)
    return FormattedText(f"{text}\n{shown}", (MessageEntity(MessageEntity.CODE, offset, units_of(shown)),))


def with_ticking_times(text: str) -> FormattedText:
    """Turn each ``<t:UNIX:R>`` and ``<t:UNIX:f>`` of our sentence into a time that the reader's client shows.

    ``R`` counts down, ``f`` is a date with its time in the reader's time zone.
    """
    shown, entities, end = "", [], 0
    for found in _TIME.finditer(text):
        shown += text[end : found.start()]
        moment = datetime.fromtimestamp(int(found["unix"]), UTC)
        date_time_format, fallback_format = _TIME_FORMS[found["form"]]
        fallback = moment.strftime(fallback_format)
        entities.append(
            MessageEntity(
                MessageEntity.DATE_TIME,
                units_of(shown),
                units_of(fallback),
                unix_time=moment,
                date_time_format=date_time_format,
            )
        )
        shown += fallback
        end = found.end()
    return FormattedText(shown + text[end:], tuple(entities))
