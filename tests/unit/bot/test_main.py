"""The command line: light to import, and errors become one line and an exit code."""

import asyncio
import logging
import os
import signal
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

pytestmark = pytest.mark.usefixtures("own_threads")

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "discord",
    "telegram",
    "starlette",
    "uvicorn",
    "jinja2",
    "aiosqlite",
    "pydantic",
)


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    script = f"import sys, bot.__main__; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_parent_side_never_loads_torch() -> None:
    script = (
        "import sys, bot.cli.serve, bot.cli.doctor, bot.cli.bench.comparison;"
        "import bot.chats.discord_, bot.chats.telegram_;"
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
        command_line._run_command(job, None)
    return int(ended.value.exit_code)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without a sugarbot.toml, and with this process's log as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUGARBOT_LANG", "en")
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
        command_line._run_command(job, None)


def test_a_mistake_beside_a_known_error_is_not_hidden_either(capsys: pytest.CaptureFixture[str]) -> None:
    async def job(settings: Settings) -> int:
        raise ExceptionGroup("both", [PortTaken(host="::1", port=1), RuntimeError("a mistake")])

    with pytest.raises(ExceptionGroup) as caught:
        command_line._run_command(job, None)
    assert caught.group_contains(RuntimeError, match="a mistake")
    assert not caught.group_contains(PortTaken)
    assert "is taken" in capsys.readouterr().err


def test_ctrl_c_before_anything_serves_ends_with_its_code() -> None:
    assert work(KeyboardInterrupt()) == 130


def printed(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code of a command line, and what it prints on standard error."""
    monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return int(str(ended.value.code)), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dcotor"], "There is no command dcotor. Did you mean doctor?\nSee: sugarbot --help"),
        (["db", "bakup"], "There is no command bakup. Did you mean backup?\nSee: sugarbot db --help"),
        (["zzz"], "There is no command zzz.\nSee: sugarbot --help"),
        (
            ["bench", "--rands"],
            "There is no option --rands. Did you mean --random, --rounds?\nSee: sugarbot bench --help",
        ),
        (["say"], "MESSAGE is missing.\nSee: sugarbot say --help"),
        (["say", "a", "b c"], "This is too much: b c\nSee: sugarbot say --help"),
        (["bench", "--rounds", "x"], "The value of --rounds does not fit.\nSee: sugarbot bench --help"),
        (["bench", "--only", "E99"], "The value of --only does not fit.\nSee: sugarbot bench --help"),
        (["bench", "--sizes", "1x1,2x2"], "The value of --sizes does not fit.\nSee: sugarbot bench --help"),
        (["\x1b[2J"], "There is no command \\x1b[2J.\nSee: sugarbot --help"),
    ],
)
def test_wrong_usage_is_said_with_what_was_meant(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(words, monkeypatch, capsys) == (2, said + "\n")


def test_nothing_to_do_shows_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = printed([], monkeypatch, capsys)
    assert code == 2
    assert "doctor" in said
    assert "Exit codes: 0 done" in said


def test_an_error_of_the_system_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(PermissionError(13, "Permission denied", "/srv/\x1b[2J")) == 1
    said = capsys.readouterr().err
    assert said.startswith("/srv/\\x1b[2J can't be used: permission denied. Check the path")
    assert len(said.splitlines()) == 1


def test_an_error_of_the_system_without_a_path_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(OSError(11, "Resource temporarily unavailable")) == 1
    assert capsys.readouterr().err.startswith("The system refused: the system has no process")


def test_a_time_out_of_ours_is_a_mistake() -> None:
    async def job(settings: Settings) -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        command_line._run_command(job, None)


def test_a_mistake_of_ours_is_a_traceback_without_secrets_or_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "123456:secret-secret-secret-secret-secret"

    async def report(settings: Settings) -> int:
        hidden = "a wish of a member"
        raise RuntimeError(f"{token} {len(hidden)}")

    monkeypatch.setenv("TELEGRAM_TOKEN", token)
    monkeypatch.setattr("bot.cli.doctor.report", report)
    code, said = printed(["doctor"], monkeypatch, capsys)
    assert code == 1
    assert "RuntimeError: *** 18" in said
    assert "secret-secret" not in said
    assert "│" not in said


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_stop_is_the_ordinary_end_of_what_serves(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stopped(settings: Settings) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
        return 1

    monkeypatch.setattr(f"bot.cli.serve.{command}", stopped)
    monkeypatch.setattr("bot.cli.setup.report", stopped)
    for words, code in (([command], 0), (["setup"], 143)):
        monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert ended.value.code == code
