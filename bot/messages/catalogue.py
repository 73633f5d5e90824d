"""The catalogue: translates an English sentence and fills in its facts.

A sentence without a translation stays English, and a missing fact becomes an ellipsis: a person always gets
an answer.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po

from bot.languages import in_script, is_chinese
from engine.request import TimeEstimate

Times = Literal["utc", "local", "discord", "telegram"] | tzinfo
"""How a point in time is written: in UTC; in this machine's time zone; as markup of Discord or Telegram,
which the reader's client shows in its own time zone; or in the reader's time zone if the chat knows it."""

PLATFORM_NAMES = {"discord": "Discord", "telegram": "Telegram", "web": "Web", "console": "Console"}
MINUTES_FROM_S = 90
MAX_FACT_CHARS = 60  # of people's own text in a sentence; one line on a phone

_NEVER_SHORTENED = frozenset(
    {
        "about",
        "cards",
        "advice",
        "detail",
        "drawn",
        "encoder",
        "example",
        "layout",
        "parts",
        "person",
        "path",
        "problems",
        "prompt",
        "setting",
        "settings",
        "subjects",
        "link",
        "loras",
        "tip",
        "url",
        "usage",
        "what",
    }
)


def N_(msgid: str) -> str:
    """Mark a sentence for the catalogue where it is defined, without translating it."""
    return msgid


def text(msgid: str, locale: str, **facts: object) -> str:
    """Return one sentence in a locale.

    Args:
        msgid: The English sentence, with a ``{fact}`` for each fact.
        locale: One of ``bot.languages.LOCALES``.
        facts: Text is shortened to one line, tuples become lists, pairs of numbers sizes: ``512 × 768``.
    """
    sentence = in_script(_CHINESE.get(msgid, msgid), locale) if is_chinese(locale) else msgid
    return sentence.format_map(_Facts((key, format_fact(fact, locale, key)) for key, fact in facts.items()))


def format_fact(fact: object, locale: str, key: str = "") -> str:
    """Return a fact as people read it."""
    match fact:
        case str() if key in _NEVER_SHORTENED:
            return fact
        case str():
            return shorten(fact, MAX_FACT_CHARS)
        case float():
            return f"{fact:g}"
        case (int() as width_px, int() as height_px):
            return f"{width_px} × {height_px}"
        case list() | tuple():
            separator = "、" if is_chinese(locale) else ", "
            return separator.join(format_fact(part, locale, key) for part in fact)
        case _:
            return str(fact)


def shorten(long: str, most_chars: int) -> str:
    """Return the text on one line of at most ``most_chars``, with an ellipsis if it was longer."""
    line = " ".join(long.split())
    return line if len(line) <= most_chars else line[: most_chars - 1].rstrip() + "…"


def format_duration(estimate: TimeEstimate, locale: str) -> str:
    """Return a duration in round figures: ``20–30 s``, ``50 s to 2 min``, ``3 min``."""
    least_s, most_s = _round_s(estimate.least_s), _round_s(estimate.most_s)
    least_min, most_min = round(estimate.least_s / 60), round(estimate.most_s / 60)
    if most_s < MINUTES_FROM_S:
        if least_s == most_s:
            return text(N_("{seconds} s"), locale, seconds=most_s)
        return text(N_("{least}–{most} s"), locale, least=least_s, most=most_s)
    if least_s < MINUTES_FROM_S:
        return text(N_("{seconds} s to {minutes} min"), locale, seconds=least_s, minutes=most_min)
    if least_min == most_min:
        return text(N_("{minutes} min"), locale, minutes=most_min)
    return text(N_("{least}–{most} min"), locale, least=least_min, most=most_min)


def format_countdown(estimate: TimeEstimate, now_s: float) -> str:
    """Return the earliest and the latest time, or one, as markup that the reader's client counts down to."""
    waits_s = (_round_s(estimate.least_s), _round_s(estimate.most_s))
    least, most = (f"<t:{round(now_s + wait_s)}:R>" for wait_s in waits_s)
    return least if least == most else f"{least} – {most}"


def _round_s(seconds: float) -> int:
    return max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)


def format_time(unix_s: float, times: Times = "utc") -> str:
    """Return a point in time, in the same form for all languages: ``2026-11-29 14:05 UTC+2``."""
    if times == "discord":
        return f"<t:{int(unix_s)}:f> (<t:{int(unix_s)}:R>)"
    if times == "telegram":  # an older client shows the date alone, and could not count down to it
        return f"<t:{int(unix_s)}:f>"
    moment = datetime.fromtimestamp(unix_s, tz=UTC)
    if times != "utc":
        moment = moment.astimezone(None if times == "local" else times)
    offset = moment.utcoffset() or timedelta()
    hours, minutes = divmod(round(abs(offset) / timedelta(minutes=1)), 60)
    sign = "-" if offset < timedelta() else "+"
    zone = f"{sign}{hours}" + (f":{minutes:02}" if minutes else "") if offset else ""
    return f"{moment:%Y-%m-%d %H:%M} UTC{zone}"


def join_facts(parts: Iterable[str]) -> str:
    """Join facts on one line, without the empty ones."""
    return " · ".join(part for part in parts if part)


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


def read_catalogue() -> dict[str, str]:
    """Return the Chinese of each English sentence. Blocking."""
    with Path(__file__).with_name("zh_CN.po").open("rb") as po:
        catalogue = read_po(po)
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


_CHINESE = read_catalogue()  # at import: later it would block the event loop
