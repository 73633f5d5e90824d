"""Reads the settings from file and environment, and makes one Problem of each thing to correct."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from rapidfuzz import fuzz, process

from bot.errors import BadSettings, Problem
from bot.settings.language import SHORT, default_language
from bot.settings.listing import PASSWORD, PASSWORD_FILE_VARIABLE, PREFIX
from bot.settings.sections import ADDRESSES, Settings, password_of
from bot.settings.token_file import WITH_TOKENS, read_tokens, token_file
from bot.settings.variables import CONFIG, nearest_variable

FILE_NAME = "sugarbot.toml"
MAX_SHOWN_CHARS = 60  # of a bad value

_SIMILAR_PERCENT = 60
_POSITION = re.compile(r"\(at line (\d+), column \d+\)")

_Values = dict[str, Any]


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings once, at the start; blocking.

    Args:
        path: The file; None for the default described in ``bot.settings``.
        environ: The environment; None for this process's own.

    Raises:
        BadSettings: ``problems`` lists everything to correct.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    file = settings_file(path, environ)
    values, tokens = _from_file(file, problems), read_tokens(token_file(file), problems)
    return _checked(values, tokens, environ, problems)


def read_values(path: Path | None) -> dict[str, Any]:
    """Return what the settings file says, unchecked; nothing without a file. Blocking.

    Raises:
        BadSettings: The file cannot be read, or is not TOML.
    """
    problems: list[Problem] = []
    values = _from_file(path, problems)
    if problems:
        raise BadSettings(problems=tuple(problems))
    return values


def environment_tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the tokens that the environment gives, itself or as files, by section. Blocking.

    Raises:
        BadSettings: A file that it names cannot be read.
    """
    problems: list[Problem] = []
    found = {
        section: environ.get(f"{PREFIX}{section.upper()}__TOKEN") or _token(section, environ, problems)
        for section in WITH_TOKENS
    }
    if problems:
        raise BadSettings(problems=tuple(problems))
    return {section: token.strip() for section, token in found.items() if token}


def settings_of(values: Mapping[str, Any], tokens: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings that a file with these values and a token file with these tokens would give.

    Args:
        values: As ``read_values`` returns them.
        tokens: By section.
        environ: The environment, which counts before both.

    Raises:
        BadSettings: ``problems`` lists everything to correct.
    """
    return _checked(values, tokens, environ, [])


def _checked(
    values: Mapping[str, Any], tokens: Mapping[str, str], environ: Mapping[str, str], problems: list[Problem]
) -> Settings:
    raw: _Values = {"language": default_language(environ)}
    _merge(raw, values)
    for section, token in tokens.items():
        if isinstance(raw.get(section, {}), dict):
            _merge(raw, {section: {"token": token}})
    _merge(raw, _from_environ(environ, problems))
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    else:
        if not problems:
            return settings
    raise BadSettings(problems=tuple(_distinct(problems)))


def settings_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file; None without one, which is allowed."""
    if path is None and (named := environ.get(CONFIG)):
        path = Path(named)
    if path is None:
        default = Path(FILE_NAME)
        return default if default.is_file() else None
    return Path(os.path.expanduser(path))  # `Path.expanduser` raises for an unknown user


def _from_file(path: Path | None, problems: list[Problem]) -> _Values:
    """Return the file's content; if it holds a secret, only its owner may read it."""
    if path is None:
        return {}
    facts = {"path": str(path)}
    text = ""
    if path.is_fifo():  # it may never end, and is read again when it changes
        problems.append(Problem("not_a_file", facts))
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
        mode = path.stat().st_mode
    except OSError as error:
        problems.append(Problem("unreadable", {**facts, "detail": os.strerror(error.errno or 0)}))
        return {}
    except UnicodeDecodeError:
        problems.append(Problem("not_utf8", facts))
        return {}
    except (ValueError, RecursionError) as error:
        problems.append(_not_toml(path, text, error))
        return {}
    if _has_secret(raw) and os.name == "posix" and mode & 0o077:
        problems.append(Problem("readable_by_others", facts))
    return raw


def _has_secret(raw: _Values) -> bool:
    """Whether the file holds a token, the password of the page or one inside an address."""
    tokens = [(section, "token") for section in WITH_TOKENS]
    return any(_value(raw, each) for each in (*tokens, PASSWORD)) or any(
        password_of(_value(raw, each)) for each in ADDRESSES
    )


def _value(raw: _Values, names: tuple[str, str]) -> object:
    """Return what a file says of a setting, unchecked; None if nothing."""
    section = raw.get(names[0])
    return section.get(names[1]) if isinstance(section, dict) else None


def _not_toml(path: Path, text: str, error: ValueError | RecursionError) -> Problem:
    """Return the kind and line of a TOML error; its English text suggests no correction."""
    position = _POSITION.search(str(error))
    line = position[1] if position else str(len(text.splitlines()))  # "at end of document"
    code = "not_toml"
    if any(word in str(error) for word in ("twice", "overwrite", "Duplicate")):
        code = "given_twice"
    elif any(word in str(error) for word in ("Expected ']", "Unclosed array", "recursion")):
        code = "bracket_open"
    return Problem(code, {"path": str(path), "line": line})


def _distinct(problems: list[Problem]) -> list[Problem]:
    """Return the problems in order, without repetitions."""
    return [problem for index, problem in enumerate(problems) if problem not in problems[:index]]


def _from_environ(environ: Mapping[str, str], problems: list[Problem]) -> _Values:
    raw: _Values = {}
    for platform in WITH_TOKENS:
        if token := _token(platform, environ, problems):
            raw[platform] = {"token": token}
    if path := environ.get(PASSWORD_FILE_VARIABLE):
        section, name = PASSWORD
        raw[section] = {name: _secret_of_file(PASSWORD_FILE_VARIABLE, environ, problems)}
        if not raw[section][name]:  # an empty file must not open the page to everybody
            problems.append(Problem("token_file", {"setting": PASSWORD_FILE_VARIABLE, "path": path}))
    for variable, value in sorted(environ.items()):
        names = variable.removeprefix(PREFIX).lower().split("__")
        is_setting = variable.startswith(PREFIX) and not variable.endswith("_FILE") and variable != SHORT
        if is_setting and names[0] in Settings.model_fields:
            _merge(raw, _nested(names, value))
        elif is_setting and _closest(names[0], Settings):
            facts = {"setting": variable, "nearest_setting": nearest_variable(variable)}
            problems.append(Problem("misspelt", facts))
    return raw


def _token(platform: str, environ: Mapping[str, str], problems: list[Problem]) -> str:
    """Return a token from its usual variable, or from a file such as a container's secret."""
    if token := environ.get(f"{platform.upper()}_TOKEN"):
        return token
    variable = token_file_variable(platform, environ)
    return _secret_of_file(variable, environ, problems) if variable else ""


def _secret_of_file(variable: str, environ: Mapping[str, str], problems: list[Problem]) -> str:
    """Return the content of the file that a variable names, without the line feed at its end."""
    try:
        return Path(os.path.expanduser(environ[variable])).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        problems.append(Problem("token_file", {"setting": variable, "path": environ[variable]}))
        return ""


def token_file_variable(platform: str, environ: Mapping[str, str]) -> str:
    """Return the variable that names the file of a platform's token; empty without one."""
    variables = (f"{platform.upper()}_TOKEN_FILE", f"{PREFIX}{platform.upper()}__TOKEN_FILE")
    return next((variable for variable in variables if environ.get(variable)), "")


def _closest(name: str, section: type[BaseModel]) -> str | None:
    names = list(section.model_fields)
    found = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=_SIMILAR_PERCENT)
    return found[0] if found else None


def _nested(names: list[str], value: str) -> _Values:
    return {names[0]: value if len(names) == 1 else _nested(names[1:], value)}


def _merge(into: _Values, more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value)
        else:
            into[key] = value


def _problem(detail: ErrorDetails) -> Problem:
    """Describe one problem with the setting's name and an example, never with a secret."""
    names = [str(part) for part in detail["loc"] if isinstance(part, str)]
    name = ".".join(names)
    if detail["type"] == "unpinned":
        return Problem("unpinned", detail["ctx"])
    owner, field = _field(names)
    if detail["type"] == "extra_forbidden":
        if close := _closest(names[-1], owner):
            return Problem("misspelt", {"setting": name, "nearest_setting": ".".join([*names[:-1], close])})
        return Problem("no_setting", {"setting": name, "settings": tuple(owner.model_fields)})
    if field is None or not field.description:
        return Problem("no_table", {"setting": name})
    facts = {
        "setting": name,
        "what": field.description,
        "example": str(field.examples[0] if field.examples else ""),
    }
    if not field.repr:  # a secret
        return Problem("must_be", facts)
    return Problem("must_be_not", {**facts, "value": str(detail["input"])[:MAX_SHOWN_CHARS]})


def _field(names: list[str]) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the section of a setting, and the setting itself if it exists."""
    owner: type[BaseModel] = Settings
    field = None
    rest = list(names)
    while rest:
        field = owner.model_fields.get(rest.pop(0))
        section: Any = field.annotation if field else None
        if rest and get_origin(section) is dict:  # a table of sections: the host chose the next name
            section = get_args(section)[1]
            del rest[0]
        if rest and isinstance(section, type) and issubclass(section, BaseModel):
            owner = section
    return owner, field
