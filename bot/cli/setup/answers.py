"""The answers so far: what the settings file and the token file will say. A second run begins with them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.checks.checks import PLATFORMS
from bot.errors import BadSettings, Problem
from bot.messages import N_, text
from bot.messages.settings import commented_settings
from bot.settings import (
    WITH_TOKENS,
    Settings,
    environment_tokens,
    read_tokens,
    read_values,
    settings_file,
    settings_of,
    token_file,
    write_tokens,
)
from bot.settings.listing import PREFIX
from bot.settings.load import FILE_NAME
from bot.settings.token_file import TOKENS_NAME
from engine.durable import FILE_MODE, make_folder, write_file

KEPT = ".bak"  # the name's end of the settings file as it was before


class SetupAnswers:
    """Reads both files, changes their values, and writes them.

    Attributes:
        file: The settings file; it need not exist.
        values: As in the file, without tokens.
        tokens: By section, as they will be written.
        given: Tokens of the environment, by section; they are offered, and kept once they work.
        keeps_each: Whether ``accept`` writes, so that who is asked is asked nothing twice.
        was_written: Whether anything has been written.
    """

    def __init__(self, config: Path | None, environ: Mapping[str, str]) -> None:
        """Read what is there; blocking.

        Raises:
            BadSettings: A file is there but cannot be used; nothing is changed.
        """
        self.file = settings_file(config, environ) or Path(FILE_NAME)
        self.values = read_values(self.file) if self.file.exists() else {}
        self._before = self.file.read_bytes() if self.file.exists() else None
        self.tokens: dict[str, str] = {}
        for section in WITH_TOKENS:
            table = self.values.get(section)
            if isinstance(table, dict) and table.get("token"):
                self.tokens[section] = str(table.pop("token"))
        path = token_file(self.file)
        if path.is_file():
            path.chmod(FILE_MODE)
        problems: list[Problem] = []
        self.tokens |= read_tokens(path, problems)
        self.given = environment_tokens(environ)
        if problems:
            raise BadSettings(problems=tuple(problems))
        self._environ = {name: value for name, value in environ.items() if not _is_token(name)}
        self.keeps_each, self.was_written = False, False
        self.settings()  # a wrong value is the host's to correct, before any question

    def settings(self) -> Settings:
        """Return the settings that the answers give, with the environment of this process.

        Raises:
            BadSettings: An answer is no valid value.
        """
        return settings_of(self.values, self.tokens, self._environ)

    def value(self, name: str) -> Any:
        """Return the value of a setting by its dotted name; None if it is not set."""
        found: Any = self.values
        for key in name.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def set_value(self, name: str, value: str | list[str]) -> None:
        """Set a setting by its dotted name; an empty value leaves it out, so that its default counts."""
        *above, key = name.split(".")
        table = self.values
        for each in above:
            table = table.setdefault(each, {})
        if value:
            table[key] = value
        else:
            table.pop(key, None)

    def accept(self) -> None:
        """Check the answers so far, and write them if ``keeps_each``. Blocking.

        Raises:
            BadSettings, OSError: As ``save``.
        """
        if self.keeps_each:
            self.save()
        else:
            self.settings()

    def save(self) -> None:
        """Write both files if they change; the settings file as it was before setup is kept. Blocking.

        Raises:
            BadSettings: An answer is no valid value; nothing is changed.
            OSError: The disk refused.
        """
        locale = self.settings().language
        make_folder(self.file.parent.absolute())
        content = commented_settings(self.values, locale).encode()
        if self._before is not None and self._before != content:
            write_file(self.file.with_name(self.file.name + KEPT), self._before)
        if not self.file.exists() or self.file.read_bytes() != content:
            write_file(self.file, content)
        self.was_written = True
        path = token_file(self.file)
        if any(self.tokens.values()) or path.exists():
            heading = N_(
                "The tokens of Sugarbot; nobody else may read this file. The bot reads it by itself."
            )
            write_tokens(path, self.tokens, text(heading, locale))


def _is_token(variable: str) -> bool:
    """Whether a variable gives a token of a chat, which is an answer here."""
    names = [f"{platform.upper()}_TOKEN" for platform in PLATFORMS]
    names += [f"{PREFIX}{platform.upper()}__TOKEN" for platform in PLATFORMS]
    return variable in names or variable.removesuffix("_FILE") in names


def files_of(answers: SetupAnswers) -> tuple[str, ...]:
    """Return the names of the files that are there."""
    found = (answers.file, answers.file.with_name(TOKENS_NAME))
    return tuple(os.fspath(path) for path in found if path.exists())
