"""The command line: quick to import; an error becomes one line and an exit code."""

import asyncio
import importlib.metadata
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bot import __main__ as command_line
from bot.cli.shell.running import run_command
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
    """The exit code of a command that ends like this."""

    async def job(settings: Settings) -> int:
        if error is not None:
            raise error
        return code

    with pytest.raises(typer.Exit) as exited:
        run_command(job, None)
    return int(exited.value.exit_code)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_log: None) -> None:
    """Work without a sugarbot.toml; restore the log of this process afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUGARBOT_LANG", "en")


def test_the_exit_code_is_the_command_s_result() -> None:
    assert work(None, 0) == 0
    assert work(None, 1) == 1


def test_a_known_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(PortTaken(host="127.0.0.1", port=7860)) == 1
    output = capsys.readouterr().err.strip()
    assert "127.0.0.1:7860 is in use" in output
    assert "\n" not in output


def test_known_errors_in_nested_groups_have_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("inner", [PortTaken(host="::1", port=1), ModelMissing("gone")])
    assert work(ExceptionGroup("outer", [inner])) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


def test_an_unknown_error_is_raised() -> None:
    async def job(settings: Settings) -> int:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        run_command(job, None)


def test_an_unknown_error_beside_a_known_one_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    async def job(settings: Settings) -> int:
        raise ExceptionGroup("both", [PortTaken(host="::1", port=1), RuntimeError("a mistake")])

    with pytest.raises(ExceptionGroup) as caught:
        run_command(job, None)
    assert caught.group_contains(RuntimeError, match="a mistake")
    assert not caught.group_contains(PortTaken)
    assert "is in use" in capsys.readouterr().err


def test_ctrl_c_before_anything_serves_ends_with_its_code() -> None:
    assert work(KeyboardInterrupt()) == 130


def printed(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run a command line; return the exit code and standard error."""
    monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
    with pytest.raises(SystemExit) as exited:
        command_line.main()
    return int(str(exited.value.code)), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["dcotor"], "There is no command dcotor. Did you mean doctor?\nSee: sugarbot --help"),
        (["db", "bakup"], "There is no command bakup. Did you mean backup?\nSee: sugarbot db --help"),
        (["zzz"], "There is no command zzz.\nSee: sugarbot --help"),
        (
            ["bench", "--rands"],
            "There is no option --rands. Did you mean --random, --rounds?\nSee: sugarbot bench --help",
        ),
        (["say"], "MESSAGE is missing.\nSee: sugarbot say --help"),
        (["say", "a", "b c"], "Unexpected argument: b c\nSee: sugarbot say --help"),
        (["bench", "--rounds", "x"], "The value of --rounds is not valid.\nSee: sugarbot bench --help"),
        (
            ["bench", "--only", "E99"],
            "--only must name rows of E1, E2, E3, E4, E5, E6, E7, E8, E9, E12.\nSee: sugarbot bench --help",
        ),
        (
            ["bench", "--sizes", "1x1,2x2"],
            "--sizes must be 3 sizes like 512x768,1024x1024,512x512.\nSee: sugarbot bench --help",
        ),
        (
            ["plan", "--size", "99999x99999"],
            "--size must be like 1024x1024: two multiples of 16 from 64 to 8192.\nSee: sugarbot plan --help",
        ),
        (
            ["plan", "--precision", "fp16"],
            "--precision must be one of auto, bf16, fp8, int8.\nSee: sugarbot plan --help",
        ),
        (
            ["upgrade", "--json"],
            "--json needs --check: the steps of an upgrade are text.\nSee: sugarbot upgrade --help",
        ),
        (
            ["setup", "--yes", "--weights", "mirror"],
            "--weights mirror needs --endpoint with the address of the mirror.\nSee: sugarbot setup --help",
        ),
        (["\x1b[2J"], "There is no command \\x1b[2J.\nSee: sugarbot --help"),
    ],
)
def test_wrong_usage_is_explained_with_a_suggestion(
    words: list[str], output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(words, monkeypatch, capsys) == (2, output + "\n")


@pytest.mark.parametrize("words", [["-h"], ["plan", "-h"], ["db", "backup", "-h"]])
def test_help_has_a_short_name(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
    with pytest.raises(SystemExit) as exited:
        command_line.main()
    assert exited.value.code == 0
    assert "-h, --help" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sugarbot", "--version"])
    with pytest.raises(SystemExit) as exited:
        command_line.main()
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"sugarbot {importlib.metadata.version('sugarbot')}\n"


@pytest.mark.parametrize("words", [["plan"], ["setup", "--yes"], ["upgrade", "--check"], ["doctor", "--fix"]])
@pytest.mark.parametrize("content", [None, "a = " + "[" * 100_000])
def test_a_pipe_and_deep_brackets_as_settings_are_refused_by_every_command(
    words: list[str],
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "x.toml"
    if content is None:
        os.mkfifo(file)
    else:
        file.write_text(content)
    monkeypatch.delenv("SUGARBOT_LANG")
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setattr(sys, "argv", ["sugarbot", *words, "--config", str(file)])
    with pytest.raises(SystemExit) as exited:
        command_line.main()
    assert exited.value.code == 1
    printed = " ".join("".join(capfd.readouterr()).split())
    assert "no regular file" in printed or "A bracket is not closed" in printed
    assert "Traceback" not in printed


def test_without_a_command_the_help_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = printed([], monkeypatch, capsys)
    assert code == 2
    assert "doctor" in output
    assert "Exit codes: 0 done" in output


def test_an_error_of_the_system_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(PermissionError(13, "Permission denied", "/srv/\x1b[2J")) == 1
    output = capsys.readouterr().err
    assert output.startswith("/srv/\\x1b[2J can't be used: permission denied. Check the path")
    assert len(output.splitlines()) == 1


def test_an_error_of_the_system_without_a_path_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(OSError(11, "Resource temporarily unavailable")) == 1
    assert capsys.readouterr().err.startswith("The system refused: the system has no free process")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, "Nothing can be written: the disk is full. Make room and try again."),
        ("sugarbot.toml", "sugarbot.toml can't be written: the disk is full. Make room there and try again."),
    ],
)
def test_on_a_full_disk_the_host_makes_room(
    path: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert work(OSError(28, "No space left on device", path)) == 1
    assert capsys.readouterr().err == f"{said}\n"


def test_a_time_out_is_an_unknown_error() -> None:
    async def job(settings: Settings) -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_command(job, None)


def test_an_unknown_error_is_a_traceback_without_secrets_or_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "123456:secret-secret-secret-secret-secret"

    async def report(settings: Settings, _: object) -> int:
        hidden = "a wish of a member"
        raise RuntimeError(f"{token} {len(hidden)}")

    monkeypatch.setenv("TELEGRAM_TOKEN", token)
    monkeypatch.setattr("bot.cli.doctor.report", report)
    code, output = printed(["doctor"], monkeypatch, capsys)
    assert code == 1
    assert "RuntimeError: *** 18" in output
    assert "secret-secret" not in output
    assert "│" not in output


@pytest.mark.parametrize("command", ["run", "demo"])
def test_run_and_demo_end_normally_at_a_signal(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    async def stopped(*_: object, **__: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
        return 1

    monkeypatch.setattr(f"bot.cli.serve.{command}", stopped)
    monkeypatch.setattr("bot.cli.setup.model.report", stopped)
    for words, code in (([command], 0), (["setup", "--yes"], 143)):
        monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
        with pytest.raises(SystemExit) as exited:
            command_line.main()
        assert exited.value.code == code
