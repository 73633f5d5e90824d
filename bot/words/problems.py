"""What each problem of the settings and the set-up says to the host."""

from bot.errors import Problem
from bot.words.catalogue import N_, text
from bot.words.details import detail_in

SETTINGS = {
    "unreadable": N_("{path} can't be read: {detail}. Name an existing file, or none at all."),
    "not_utf8": N_("{path} is not UTF-8. Save it as UTF-8 text."),
    "not_toml": N_(
        "{path} is not valid TOML, see line {line}. Text stands in quotes, as in: language = 'en'"
    ),
    "given_twice": N_("{path} gives a setting or a table twice, see line {line}. Keep one of them."),
    "readable_by_others": N_(
        "{path} holds a token, but others on this machine can read it. Run: chmod 600 {path}"
    ),
    "token_file": N_("{setting} must name a readable file with the token, not {path}."),
    "unpinned": N_(
        "engine.revision must name the commit of {model} to use, so that no other weights are ever loaded; "
        "for example: {example}"
    ),
    "misspelt": N_("{setting} is not a setting; did you mean {nearest_setting}?"),
    "no_setting": N_("{setting} is not a setting; there are: {settings}."),
    "no_table": N_("{setting} must be a table of settings, as under [{setting}]."),
    "must_be": N_("{setting} must be {what}; for example: {example}"),
    "must_be_not": N_("{setting} must be {what}, not '{value}'; for example: {example}"),
}


def problem_in(problem: Problem, locale: str) -> str:
    """The problem's sentence, with what to do about it."""
    facts = dict(problem.facts)
    if "what" in facts:
        facts["what"] = text(str(facts["what"]), locale)
    if "detail" in facts:
        facts["detail"] = detail_in(str(facts["detail"]), locale)
    return text(SETTINGS[problem.code], locale, **facts)
