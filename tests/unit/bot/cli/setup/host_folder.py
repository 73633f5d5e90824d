"""A folder in which a host runs `sugarbot setup`."""

import re
import stat
import sys
import tomllib
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.cli.screen import Screen
from bot.cli.setup import dialogue
from bot.cli.setup.options import SetupOptions
from bot.cli.setup.wizard import run_setup
from tests.fakes.platform_answers import PlatformAnswers

Usage = namedtuple("Usage", "total used free")
CODE = re.compile(r"/claim [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
SECRET = "123456:a-secret-secret-secret-secret-secret"


@dataclass
class HostFolder:
    """A folder in which a host runs setup, with both platforms on loopback."""

    folder: Path
    platforms: PlatformAnswers
    patch: pytest.MonkeyPatch
    typed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """What the settings file says."""
        return tomllib.loads((self.folder / "sugarbot.toml").read_text())

    @property
    def tokens(self) -> str:
        """The token file; empty without one."""
        path = self.folder / "tokens.env"
        return path.read_text() if path.exists() else ""

    def token_file(self, token: str, name: str = "token") -> str:
        (self.folder / name).write_text(f"{token}\n")
        return name

    def run(self, *words: str) -> tuple[int, str]:
        """Run it without a terminal; return the exit code and everything that it printed."""
        self.patch.setattr(sys, "argv", ["sugarbot", "setup", "--yes", *words])  # whose language counts
        ended = CliRunner().invoke(app, sys.argv[1:])
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended.exit_code, ended.output

    def talk(self, *typed: str, **options: Any) -> int:
        """Run it at a terminal where somebody types these lines; all of them must be asked for."""
        waiting = list(typed)

        def answer(prompt: str) -> str:
            self.asked.append(prompt)
            if not waiting:
                raise EOFError
            return waiting.pop(0)

        def hidden_answer(prompt: str) -> str:
            self.hidden.append(prompt)
            return answer(prompt)

        with self.patch.context() as patch:
            patch.setattr(Screen, "input", lambda _, prompt, **__: answer(prompt))
            patch.setattr(dialogue, "getpass", hidden_answer)
            patch.setattr(dialogue, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
            code = run_setup(SetupOptions(**options))
        assert not waiting
        return code


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
