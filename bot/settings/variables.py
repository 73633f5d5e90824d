"""Our environment variables, and which of the present ones are none, so that no typo goes unnoticed."""

import re
from collections.abc import Mapping

from rapidfuzz import fuzz, process

from bot.settings.language import SHORT
from bot.settings.listing import CHOSEN_NAME, PASSWORD_FILE_VARIABLE, PREFIX, every_setting
from bot.settings.sections import Settings
from bot.settings.token_file import WITH_TOKENS

CONFIG = f"{PREFIX}CONFIG"
_SIMILAR_PERCENT = 60
_OTHERS = re.compile(r"SUGARBOT_(SPECS|TOKENIZER|TEST_.*|SERVICE_(HOST|PORT)(_.*)?|PORT(_\d.*)?)")
"""Variables of our tests, and those that a cluster gives each container about a service with our name."""


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables with our prefix that set nothing, each with its ``nearest_variable``."""
    known = _known()
    strange = [
        name
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and name not in known
        and not _OTHERS.fullmatch(name)
        and (name.endswith("_FILE") or _section_of(name) not in Settings.model_fields)
    ]
    return [(name, nearest_variable(name)) for name in strange]


def nearest_variable(name: str) -> str:
    """Return the variable whose name is most like this one; empty if none is like it."""
    choices = {known: known.removeprefix(PREFIX) for known in _known() if f"__{CHOSEN_NAME}__" not in known}
    wanted = name.removeprefix(PREFIX)
    found = process.extractOne(wanted, choices, scorer=fuzz.ratio, score_cutoff=_SIMILAR_PERCENT)
    return str(found[2]) if found else ""


def _section_of(name: str) -> str:
    """Return the table that a variable names, or the setting above all tables."""
    return name.removeprefix(PREFIX).lower().split("__")[0]


def _known() -> list[str]:
    own = [variable for setting in every_setting() for variable in setting.variables]
    files = [f"{PREFIX}{section.upper()}__TOKEN_FILE" for section in WITH_TOKENS]
    return [*own, *files, CONFIG, SHORT, PASSWORD_FILE_VARIABLE]
