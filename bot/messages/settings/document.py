"""A commented ``sugarbot.toml``: what every setting means, and the values that the host has chosen."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from bot.messages.catalogue import N_, text
from bot.messages.settings.meanings import meaning_of
from bot.settings import ListedSetting, every_setting
from bot.settings.listing import CHOSEN_NAME

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def commented_settings(values: Mapping[str, Any], locale: str) -> str:
    """Return the text of a settings file.

    Args:
        values: As ``bot.settings.read_values`` returns them, without tokens. Every other setting becomes a
            comment with its default.
        locale: The language of the comments.
    """
    lines = [
        *_comment(text(N_("The settings of Sugarbot. `sugarbot setup` writes this file again."), locale)),
        *_comment(
            text(
                N_("A line that begins with # has no effect; without a space after it, it shows a default."),
                locale,
            )
        ),
    ]
    for table, listed in groupby(every_setting(), key=lambda setting: setting.section):
        settings = [setting for setting in listed if setting.key != "token"]
        lines += ["", *_table(table, settings, values, locale)]
    return "\n".join(lines) + "\n"


def _table(
    table: str, settings: list[ListedSetting], values: Mapping[str, Any], locale: str
) -> Iterator[str]:
    if table:
        yield from _comment(meaning_of(table, locale))
    if not settings:  # it has nothing but a token
        yield from _comment(text(N_("Its token is in tokens.env."), locale))
        return
    *above, chosen = table.split(".")
    if chosen != CHOSEN_NAME:
        if table:
            yield f"[{table}]"
        yield from _settings(settings, _within(values, table.split(".") if table else []), locale)
        return
    tables = _within(values, above)
    for name, given in tables.items():
        yield f"[{'.'.join(above)}.{_key(name)}]"
        yield from _settings(settings, given, locale)
    if not tables:
        yield f"#[{table}]"
        yield from _settings(settings, {}, locale)


def _settings(settings: list[ListedSetting], given: Mapping[str, Any], locale: str) -> Iterator[str]:
    for position, setting in enumerate(settings):
        if position:
            yield ""
        yield from _comment(meaning_of(setting.name, locale))
        if setting.must_be:
            yield from _comment(text(N_("Its value: {what}."), locale, what=text(setting.must_be, locale)))
        if setting.key in given:
            yield f"{setting.key} = {_toml(given[setting.key])}"
        else:
            yield f"#{setting.key} = {setting.default or setting.example}"


def _comment(sentence: str) -> list[str]:
    return [f"# {sentence}"]


def _within(values: Mapping[str, Any], path: list[str]) -> Mapping[str, Any]:
    for key in path:
        values = values.get(key, {})
    return values


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)


def _toml(value: object) -> str:
    """Write a value as TOML; JSON writes text, numbers and truth values alike."""
    match value:
        case list() | tuple():
            return f"[{', '.join(_toml(each) for each in value)}]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")
        case _:
            return json.dumps(value)
