"""The messages of ``doctor`` and of the start of ``run`` about a set-up."""

from collections.abc import Mapping

from bot.errors import Problem
from bot.messages.catalogue import N_, PLATFORM_NAMES, text
from bot.messages.problems import format_problem
from bot.messages.refusals import format_error

TITLES = {
    "data": N_("data folder"),
    "database": N_("database"),
    "card": N_("card"),
    "model": N_("model"),
    "shelf": N_("shelf"),
    "settings": N_("settings"),
    "packages": N_("packages"),
    "backups": N_("backups"),
    "picture": N_("first picture"),
    "hosts": N_("hosts"),
    "page": N_("page"),
}


def part_title(part: str, locale: str) -> str:
    """Return the name of a part of the set-up."""
    return PLATFORM_NAMES.get(part) or text(TITLES[part], locale)


def format_finding(code: str, facts: Mapping[str, object], locale: str) -> str:
    """Return the sentence of a finding, or of its ``error`` if it has one."""
    error = facts.get("error")
    if isinstance(error, Exception):
        sentence = format_error(error, locale)
        return f"{facts['name']}: {sentence}" if "name" in facts else sentence
    return format_problem(Problem(code, facts), locale)
