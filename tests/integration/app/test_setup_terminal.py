"""`sugarbot setup` at a real terminal: a token is not shown, and Ctrl-C ends it with what was answered."""

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.platform_answers import PlatformAnswers, platform_answers
from tests.integration.app.conftest import environment

WAIT_S = 60.0
TOKEN = "a-token-that-nobody-sees"


class Terminal:
    """A process on a pseudo-terminal."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.output = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode  # a read may end within a character
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "setup"],
            cwd=folder,
            env=environ | {"TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: os.close(self._ours),
        )
        os.close(theirs)

    def read_until(self, words: str) -> None:
        """Read until the new output contains these words."""
        begin, ends_s = len(self.output), time.monotonic() + WAIT_S
        while words not in self.output[begin:]:
            assert time.monotonic() < ends_s, self.output
            if select.select([self._ours], [], [], 1.0)[0]:
                self.output += self._decode(os.read(self._ours, 4096))

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        os.write(self._ours, f"{line}\n".encode())

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        ends_s = time.monotonic() + WAIT_S
        while self.process.poll() is None and time.monotonic() < ends_s:
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    self.output += self._decode(os.read(self._ours, 4096))
                except OSError:  # the other side is closed
                    break
        code = self.process.wait(WAIT_S)
        os.close(self._ours)
        return code


@pytest.fixture
def platforms() -> Iterator[PlatformAnswers]:
    with platform_answers() as served:
        yield served


def test_a_token_is_not_shown_and_ctrl_c_keeps_what_was_answered(
    platforms: PlatformAnswers, tmp_path: Path
) -> None:
    environ = environment(tmp_path, SUGARBOT_DISCORD__API_BASE=f"{platforms.url}/discord")
    terminal = Terminal(tmp_path, environ)
    terminal.read_until("Number:")
    terminal.type("1")
    terminal.read_until("Token for Discord")
    terminal.type(TOKEN)
    terminal.read_until("Proxy for Discord")
    terminal.type("")
    terminal.read_until("Token for Telegram")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert "the token is accepted" in terminal.output
    assert TOKEN not in terminal.output
    assert "Traceback" not in terminal.output
    assert f"DISCORD_TOKEN={TOKEN}" in (tmp_path / "tokens.env").read_text()
    assert tomllib.loads((tmp_path / "sugarbot.toml").read_text())["language"] == "en"
