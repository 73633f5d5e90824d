"""Runs one shell command: reads the settings, opens the log, prints a line for each error of the host."""

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.usage import language_of_arguments

if TYPE_CHECKING:
    from bot.errors import BadSettings
    from bot.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="Read this file instead of sugarbot.toml.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def run_command(
    command: "Callable[[Settings], Coroutine[Any, Any, int]]",
    config: Path | None,
    *,
    verbose: bool = False,
    stop_code: int | None = None,
    report_bad_settings: "Callable[[BadSettings, str], None] | None" = None,
) -> None:
    """Read the settings, open the log, run a command; print a line for each error that a host can act on.

    Args:
        command: Makes the command's coroutine.
        config: The settings file that the command line names.
        verbose: Log info events, too.
        stop_code: The exit code after Ctrl-C or SIGTERM; None means 128 and the signal's number.
        report_bad_settings: Prints them as the command's own result; None for lines on standard error.
    """
    from bot.cli import logs, runner
    from bot.errors import BadSettings
    from bot.settings import load_settings

    def work() -> int:
        settings = load_settings(config)
        logs.open_log(secrets=settings.secrets(), verbose=verbose)
        return runner.run(lambda: command(settings), stop_code=stop_code)

    def report(error: Exception, locale: str) -> bool:
        if isinstance(error, BadSettings) and report_bad_settings is not None:
            report_bad_settings(error, locale)
            return True
        return False

    run_plainly(work, report)


def run_plainly(
    work: Callable[[], int], report: Callable[[Exception, str], bool] = lambda error, locale: False
) -> None:
    """Run what returns an exit code, and end with it; print a line for each error that a host can act on.

    Args:
        work: Blocking; it may use ``runner.run``.
        report: Prints an error, in a language, and returns True; or leaves it to this function.
    """
    from bot.cli import failures

    os.umask(0o077)  # only their owner may read the files of this process and of its worker
    code = 1
    try:
        code = work()
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - unknown errors are raised again
        locale = language_of_arguments(sys.argv[1:])
        if report(error, locale):
            raise typer.Exit(code) from None
        unknown = failures.print_known_errors(error, lambda line: typer.echo(line, err=True), locale)
        if unknown is not None:
            raise unknown from None
    raise typer.Exit(code)
