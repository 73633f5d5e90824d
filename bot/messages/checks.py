"""What ``doctor`` and the start of ``run`` say about a set-up."""

from collections.abc import Mapping

from bot.errors import Problem
from bot.messages.catalogue import N_, PLATFORM_NAMES, text
from bot.messages.problems import problem_in
from bot.messages.refusals import explain

TITLES = {
    "data": N_("data folder"),
    "database": N_("database"),
    "card": N_("card"),
    "model": N_("model"),
    "shelf": N_("shelf"),
    "hosts": N_("hosts"),
    "page": N_("page"),
}


def title_in(part: str, locale: str) -> str:
    """The name of a part of the set-up."""
    return PLATFORM_NAMES.get(part) or text(TITLES[part], locale)


def finding_in(code: str, facts: Mapping[str, object], locale: str) -> str:
    """The sentence of a finding; that of its ``error`` where it has one."""
    error = facts.get("error")
    if isinstance(error, Exception):
        said = explain(error, locale)
        return f"{facts['name']}: {said}" if "name" in facts else said
    return problem_in(Problem(code, facts), locale)
