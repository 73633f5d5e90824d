"""Every setting with what a reference shows of it: its names, its values, its default."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bot.settings.password import PasswordHash
from bot.settings.sections import Settings

PREFIX = "SUGARBOT_"
PASSWORD = ("web", "operator_password")
PASSWORD_FILE_VARIABLE = f"{PREFIX}WEB__OPERATOR_PASSWORD_FILE"
CHOSEN_NAME = "NAME"  # stands for a name that the host chooses, as in quota.tiers.NAME


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """One setting.

    Attributes:
        name: The dotted name: ``engine.model``.
        variables: The environment variables that set it, the usual one first.
        must_be: The msgid that describes its valid values.
        default: The default as TOML; empty without one.
        example: The example as TOML.
        is_secret: Whether no message may show its value.
    """

    name: str
    variables: tuple[str, ...]
    must_be: str
    default: str
    example: str
    is_secret: bool

    @property
    def section(self) -> str:
        """The table of the setting; empty for the settings above the first table."""
        return self.name.rpartition(".")[0]

    @property
    def key(self) -> str:
        """The name within its table."""
        return self.name.rpartition(".")[2]


def every_setting() -> tuple[ListedSetting, ...]:
    """Return all settings, in the order of the sections."""
    return tuple(_settings(Settings, ()))


def _settings(section: type[BaseModel], above: tuple[str, ...]) -> Iterator[ListedSetting]:
    inner: list[tuple[type[BaseModel], tuple[str, ...]]] = []
    for key, field in section.model_fields.items():
        names = (*above, key)
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inner.append((kind, names))
        elif get_origin(kind) is dict:
            inner.append((get_args(kind)[1], (*names, CHOSEN_NAME)))
        else:
            yield _listed(names, field)
    for kind, names in inner:  # a key after a table would belong to that table
        yield from _settings(kind, names)


def _listed(names: tuple[str, ...], field: FieldInfo) -> ListedSetting:
    is_text = _is_text(field.annotation)
    return ListedSetting(
        name=".".join(names),
        variables=_variables(names),
        must_be=field.description or "",
        default="" if field.default is None else _toml(field.default, is_text),
        example=_toml(field.examples[0], is_text) if field.examples else "",
        is_secret=not field.repr,
    )


def _variables(names: tuple[str, ...]) -> tuple[str, ...]:
    platform = names[0].upper()
    usual = (f"{platform}_TOKEN", f"{platform}_TOKEN_FILE") if names[1:] == ("token",) else ()
    file = (PASSWORD_FILE_VARIABLE,) if names == PASSWORD else ()
    return (*usual, PREFIX + "__".join(names).upper(), *file)


def _is_text(kind: Any) -> bool:
    """Whether TOML writes values of a type in quotes."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(_is_text(each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return all(isinstance(each, str) for each in get_args(kind))
    return kind in (str, Path, SecretStr, PasswordHash)


def _toml(value: object, is_text: bool) -> str:
    """Write a default or an example as TOML. Examples of lists and truth values are TOML already."""
    if isinstance(value, SecretStr):
        return f'"{value.get_secret_value()}"'
    if is_text:
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return "[]" if value == () else f"{value:g}" if isinstance(value, float) else str(value)
