"""What texts and menus of the commands of hosts ask for; errors as in ``grammar``."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bot.commands import marks
from bot.commands.flags import scan
from bot.commands.makers.drawing import chosen_of
from bot.commands.reading import OptionValue, as_typed, page_of
from bot.commands.table import ENTRY_OF, Option
from bot.commands.table.hosting import (
    AUDIT_OPTIONS,
    BAN_OPTIONS,
    GIVE,
    GRANT_OPTIONS,
    MAX_GRANT,
    MAX_GRANT_DAYS,
    MAX_STATISTICS_DAYS,
    PEOPLE_OPTIONS,
    QUEUE_OPTIONS,
)
from bot.commands.text import clean, normalize
from bot.commands.values import (
    AllowAccess,
    BanPerson,
    Command,
    Diagnose,
    DisallowAccess,
    DrainQueue,
    GiveCredits,
    GrantCredits,
    Help,
    ListHostActions,
    ListPeople,
    PauseDrawing,
    ResumeDrawing,
    ShowQueue,
    ShowStatistics,
    ShowStatus,
    UnbanPerson,
)
from bot.errors import BadCredits, BadDays, BadDuration, MissingValue

MAX_REASON_CHARS = 200
MAX_SUBJECT_CHARS = 64
MAX_DURATION_S = 3_650 * 86_400

_UNITS_S = {
    60: ["m", "min", "mins", "minute", "minutes", "分", "分钟", "分鐘"],
    3_600: ["h", "hour", "hours", "小时", "小時", "时", "時"],
    86_400: ["d", "day", "days", "天", "日"],
    604_800: ["w", "week", "weeks", "周", "週", "星期"],
}
_UNIT_S = {word: unit_s for unit_s, words in _UNITS_S.items() for word in words}
_DURATION = re.compile(rf"([0-9]{{1,5}})\s*({'|'.join(sorted(_UNIT_S, key=len, reverse=True))})")

_NUMBER = re.compile(r"[+-]?[0-9]{1,7}")


def duration_s_of(text: str) -> int:
    """Convert ``7d``, ``12h``, ``30min``, ``2周`` to seconds, or raise BadDuration."""
    found = _DURATION.fullmatch(normalize(text).strip())
    seconds = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < seconds <= MAX_DURATION_S:
        raise BadDuration(text=text)
    return seconds


def ban_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> BanPerson:
    """Return the ``/ban`` of a text, or of the options of a menu: a person, then a time, then a reason.

    Raises:
        BadDuration: An option has no valid time; in a text such a word belongs to the reason.
    """
    found, chosen = scan(clean(typed), BAN_OPTIONS), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    person, rest = _person_and_rest(found.prompt, chosen.get("person", ""))
    duration_s = duration_s_of(values["duration"]) if "duration" in values else None
    first, _, after = rest.partition(" ")
    if duration_s is None and _DURATION.fullmatch(normalize(first)):
        duration_s, rest = duration_s_of(first), after
    return BanPerson(person, duration_s, _reason(values.get("reason") or rest))


def statistics_of(typed: OptionValue = None) -> ShowStatistics:
    """Return the ``/stats`` of a text or of the option of a menu, or raise BadDays."""
    text = as_typed(typed).strip()
    if not text:
        return ShowStatistics()
    days = _whole_number(text.rstrip("d天日"), MAX_STATISTICS_DAYS)
    if days is None or days < 1:
        raise BadDays(text=text, limit=MAX_STATISTICS_DAYS)
    return ShowStatistics(days)


def grant_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> GrantCredits:
    """Return the ``/grant`` of a text, or of the options of a menu: a person, credits, perhaps days.

    Raises:
        NotUnderstood: MissingValue, BadCredits, BadDuration.
    """
    found, chosen = scan(clean(typed), GRANT_OPTIONS), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    person, rest = _person_and_rest(found.prompt, chosen.get("person", ""))
    words = rest.split()
    credits_text = values.get("credits") or (words.pop(0) if words else "")
    days_text = values.get("days") or (words.pop(0) if words else "")
    if not person or not credits_text:
        entry = ENTRY_OF[GrantCredits]
        raise MissingValue(flag=f"/{entry.name}", example=entry.usage)
    credits = _whole_number(credits_text, MAX_GRANT)
    days = _whole_number(days_text.rstrip("d天日"), MAX_GRANT_DAYS) if days_text else None
    if words or (days_text and (days is None or days < 0)):
        raise BadDuration(text=days_text)
    if credits is None or (days is None and not credits) or (days is not None and credits < 0):
        raise BadCredits(text=credits_text, limit=MAX_GRANT)
    return GrantCredits(person, credits, days)


def give_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> GiveCredits:
    """Return the ``/give`` of a text, or of the options of a menu: a person and credits.

    Raises:
        NotUnderstood: MissingValue, BadCredits.
    """
    found, chosen = scan(clean(typed), GIVE.options), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    person, rest = _person_and_rest(found.prompt, chosen.get("person", ""))
    credits_text = values.get("credits") or rest
    if not person or not credits_text:
        entry = ENTRY_OF[GiveCredits]
        raise MissingValue(flag=f"/{entry.name}", example=entry.usage)
    credits = _whole_number(credits_text, MAX_GRANT)
    if credits is None or credits < 1:
        raise BadCredits(text=credits_text, limit=MAX_GRANT)
    return GiveCredits(person, credits)


def _whole_number(text: str, most: int) -> int | None:
    """Convert to a whole number from -``most`` to ``most``; None for anything else."""
    plain = normalize(text)
    number = int(plain) if _NUMBER.fullmatch(plain) else None
    return None if number is None or abs(number) > most else number


def _person_and_rest(text: str, chosen: str) -> tuple[str, str]:
    """Split behind the first word, or behind a name in quotes; what is chosen in a menu is all one name."""
    if chosen:
        return _whole(chosen), text
    quoted = marks.QUOTED.match(text)
    if quoted:
        name, rest = next(filter(None, quoted.groups()), ""), text[quoted.end() :]
    else:
        name, _, rest = text.partition(" ")
    return name.strip()[:MAX_SUBJECT_CHARS], rest.strip()


def _whole(typed: str) -> str:
    """Return a text that is all one name; quotes around it do not count."""
    text = clean(typed).strip()
    quoted = marks.QUOTED.fullmatch(text)
    name = next(filter(None, quoted.groups()), "") if quoted else text
    return name.strip()[:MAX_SUBJECT_CHARS]


def people_of(search: str = "", *, page: OptionValue = None) -> ListPeople:
    """Return the ``/people`` of menu options.

    Raises:
        BadPage: The page is not a number.
    """
    return ListPeople(_whole(search), _page(page))


def _people(rest: str) -> ListPeople:
    found = scan(clean(rest), PEOPLE_OPTIONS[1:])
    return people_of(found.prompt, page=found.last("page"))


def _audit(rest: str) -> ListHostActions:
    return ListHostActions(_typed_page(rest, AUDIT_OPTIONS))


def _typed_page(rest: str, options: Sequence[Option]) -> int:
    found = scan(clean(rest), options)
    return _page(found.last("page") or found.prompt.strip())


def _page(page: OptionValue) -> int:
    number = as_typed(page)
    return page_of(number) if number else 1


def _required(typed: str, command_type: type[Command]) -> str:
    if subject := _whole(typed):
        return subject
    entry = ENTRY_OF[command_type]
    raise MissingValue(flag=f"/{entry.name}", example=entry.usage)


def _reason(typed: str) -> str:
    return " ".join(clean(typed).split())[:MAX_REASON_CHARS]


HOSTING_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    ShowStatus: lambda _: ShowStatus(),
    PauseDrawing: lambda rest: PauseDrawing(_reason(rest)),
    DrainQueue: lambda rest: DrainQueue(_reason(rest)),
    ResumeDrawing: lambda _: ResumeDrawing(),
    ShowQueue: lambda rest: ShowQueue(_typed_page(rest, QUEUE_OPTIONS)),
    BanPerson: ban_of,
    Diagnose: lambda _: Diagnose(),
    ShowStatistics: statistics_of,
    GrantCredits: grant_of,
    GiveCredits: give_of,
    UnbanPerson: lambda rest: UnbanPerson(_required(rest, UnbanPerson)),
    AllowAccess: lambda rest: AllowAccess(_whole(rest)),
    DisallowAccess: lambda rest: DisallowAccess(_required(rest, DisallowAccess)),
    ListPeople: _people,
    ListHostActions: _audit,
}

HOSTING_MENUS: dict[type[Command], Callable[[Mapping[str, Any]], Command]] = {
    PauseDrawing: lambda options: PauseDrawing(_reason(options.get("reason", ""))),
    DrainQueue: lambda options: DrainQueue(_reason(options.get("reason", ""))),
    GrantCredits: lambda options: grant_of(options=options),
    GiveCredits: lambda options: give_of(options=options),
    ShowStatistics: lambda options: statistics_of(options.get("days")),
    BanPerson: lambda options: ban_of(options=options),
    UnbanPerson: lambda options: UnbanPerson(_required(options.get("person", ""), UnbanPerson)),
    AllowAccess: lambda options: AllowAccess(_whole(options.get("subject", ""))),
    DisallowAccess: lambda options: DisallowAccess(_required(options.get("subject", ""), DisallowAccess)),
    ListPeople: lambda options: people_of(options.get("search", ""), page=options.get("page")),
    ListHostActions: lambda options: ListHostActions(_page(options.get("page"))),
    ShowQueue: lambda options: ShowQueue(_page(options.get("page"))),
    Help: lambda options: Help(for_hosts=bool(options.get("hosts"))),
}
"""The same for the options of a menu."""
