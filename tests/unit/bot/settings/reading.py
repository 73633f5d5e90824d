"""Write a file of settings, and get its problems as people read them."""

from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.messages.problems import format_problem
from bot.settings import load_settings

TOKEN = "123456:secret-secret-secret-secret-secret"


def write(folder: Path, text: str, name: str = "sugarbot.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def problems(
    text: str = "", environ: dict[str, str] | None = None, *, folder: Path | None = None
) -> list[str]:
    path = write(folder or Path(), text)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, environ or {})
    return messages_of(caught.value)


def messages_of(error: BadSettings, locale: str = "en") -> list[str]:
    found = error.facts["problems"]
    assert isinstance(found, tuple)
    return [format_problem(problem, locale) for problem in found]
