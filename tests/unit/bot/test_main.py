"""The command line: light to import, and errors become one line and an exit code."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import typer

from bot import __main__ as command_line
from bot.errors import PortTaken
from bot.settings import Settings
from engine.errors import ModelMissing

HEAVY = ("torch", "diffusers", "transformers", "discord", "telegram", "gradio", "aiosqlite", "pydantic")


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    script = f"import sys, bot.__main__; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_parent_side_never_loads_torch() -> None:
    script = (
        "import sys, bot.serve, bot.doctor, bot.bench, bot.chats.discord_, bot.chats.telegram_;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def work(error: BaseException | None, code: int = 0) -> int:
    """The exit code of a command whose work ends like this."""

    async def job(settings: Settings) -> int:
        if error is not None:
            raise error
        return code

    with pytest.raises(typer.Exit) as ended:
        command_line._work(job, None)
    return int(ended.value.exit_code)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without a sugarbot.toml, and with this process's log as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_the_exit_code_is_what_the_work_says() -> None:
    assert work(None, 0) == 0
    assert work(None, 1) == 1


def test_a_known_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(PortTaken(host="127.0.0.1", port=7860)) == 1
    said = capsys.readouterr().err.strip()
    assert "127.0.0.1:7860 is taken" in said
    assert "\n" not in said


def test_known_errors_in_nested_groups_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("inner", [PortTaken(host="::1", port=1), ModelMissing("gone")])
    assert work(ExceptionGroup("outer", [inner])) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


def test_a_mistake_of_ours_is_not_hidden() -> None:
    async def job(settings: Settings) -> int:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        command_line._work(job, None)


def test_a_mistake_beside_a_known_error_is_not_hidden_either(capsys: pytest.CaptureFixture[str]) -> None:
    async def job(settings: Settings) -> int:
        raise ExceptionGroup("both", [PortTaken(host="::1", port=1), RuntimeError("a mistake")])

    with pytest.raises(ExceptionGroup) as caught:
        command_line._work(job, None)
    assert caught.group_contains(RuntimeError, match="a mistake")
    assert not caught.group_contains(PortTaken)
    assert "is taken" in capsys.readouterr().err


def test_ctrl_c_before_anything_serves_ends_with_its_code() -> None:
    assert work(KeyboardInterrupt()) == 130
