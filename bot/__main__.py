"""The ``sugarbot`` command: every way to start a part of the application, one short function each.

Only typer is imported here; a command imports the rooms it opens, so that ``--help`` answers at once. Help
texts and docstrings of commands are msgids of ``bot/messages/zh_CN.po``.

Exit codes: 0 done · 1 refused, or an error that the host can act on, in one line each · 2 wrong usage ·
130 and 143 ended by Ctrl-C and SIGTERM, which for ``run`` and ``demo`` is the ordinary end, 0.
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.usage import USAGE_ERROR, UsageCommand, UsageError, UsageGroup, explained, locale_of_line

if TYPE_CHECKING:
    from bot.settings import Settings

app = typer.Typer(
    cls=UsageGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Draw faces with Z-Image-Turbo and a LoRA of your choice, in Discord, Telegram and on a local page.",
)

db = typer.Typer(cls=UsageGroup, help="Check, back up and restore the database; alone it is `check`.")
app.add_typer(db, name="db")

Config = Annotated[Path | None, typer.Option("--config", help="Read this file instead of sugarbot.toml.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every job.")]


@app.command(cls=UsageCommand)
def run(config: Config = None, quiet: Quiet = False) -> None:
    """Serve every chat that is set up, until Ctrl-C."""
    from bot.cli import serve

    _work(serve.run, config, verbose=not quiet, stopped=0)


@app.command(cls=UsageCommand)
def demo(config: Config = None, verbose: Verbose = False) -> None:
    """Draw a first picture with the built-in model, then serve the local page until Ctrl-C."""
    from bot.cli import serve

    _work(serve.demo, config, verbose=verbose, stopped=0)


@app.command(cls=UsageCommand)
def say(
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="What to say, like: /sugar a smiling face --seed 7")
    ],
    name: Annotated[str, typer.Option("--as", help="Who says it.")] = "a member",
    host: Annotated[bool, typer.Option("--host", help="Say it as a host of the bot.")] = False,
    out: Annotated[Path, typer.Option(help="Where pictures are put.")] = Path("out"),
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Send one message to the bot and wait for its answer."""
    from bot.cli import serve

    _work(
        lambda settings: serve.say(settings, message, user_name=name, is_host=host, out_dir=out),
        config,
        verbose=verbose,
    )


@app.command(cls=UsageCommand)
def setup(config: Config = None) -> None:
    """Fetch the model where it is missing, and convert its weights once so that each start is faster."""
    from bot.cli import setup as prepare

    _work(prepare.report, config, verbose=True)


@app.command(cls=UsageCommand)
def doctor(config: Config = None) -> None:
    """Say what is set up, what is wrong with it, and what to do; exits 1 if anything is wrong."""
    from bot.cli import doctor as examine

    _work(examine.report, config)


@app.command(cls=UsageCommand)
def lora(config: Config = None) -> None:
    """List the shelf: each LoRA with its file, and each refused file with the reason."""
    from bot.cli import doctor as examine

    _work(examine.shelf, config)


@db.callback(invoke_without_command=True)
def db_itself(context: typer.Context, config: Config = None) -> None:
    """Check, back up and restore the database; alone it is `check`."""
    if context.invoked_subcommand is None:
        check(config)


@db.command(cls=UsageCommand)
def check(config: Config = None) -> None:
    """Say where the database is, its schema version, whether it is sound, and what is in it."""
    from bot.cli import db

    _work(db.check, config)


@db.command(cls=UsageCommand)
def backup(
    to: Annotated[Path | None, typer.Option(help="A folder; left out: backups/ in the data folder.")] = None,
    config: Config = None,
) -> None:
    """Copy the database, also while the bot runs; `run` does it by itself once a day."""
    from bot.cli import db

    _work(lambda settings: db.back_up(settings, to), config)


@db.command(cls=UsageCommand)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    config: Config = None,
) -> None:
    """Put a backup in the database's place; what was there is kept beside it. Stop the bot first."""
    from bot.cli import db

    _work(lambda settings: db.restore(settings, file), config)


@app.command(cls=UsageCommand)
def bench(
    article: Annotated[bool, typer.Option("--article", help="The rows of the article, end to end.")] = False,
    random: Annotated[
        bool, typer.Option("--random", help="Random weights of Z-Image-Turbo's real size.")
    ] = False,
    only: Annotated[str, typer.Option(help="Rows, like E1,E2; left out: all.")] = "",
    sizes: Annotated[str, typer.Option(help="Of E1, E2 and E3, like 512x768,1024x1024,512x512.")] = "",
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Pictures of a median; of --article: tens of pictures; from 1 to 100."
        ),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="A folder for the results; left out: bench/ in the data folder.")
    ] = None,
    config: Config = None,
) -> None:
    """Measure this machine against stock diffusers, the strongest known recipe and its own limit."""
    from bot.cli.bench import article_table
    from bot.cli.bench import command as comparison

    if {row.strip().upper() for row in only.split(",") if row} - set(comparison.ROWS):
        raise typer.BadParameter("", param_hint="--only")
    if sizes and len(sizes.split(",")) != comparison.SIZES:
        raise typer.BadParameter("", param_hint="--sizes")
    if article:
        _work(lambda settings: article_table.report(settings, rounds=rounds or 5, into=into), config)
    given = {"--only": only, "--rounds": str(rounds or "")}
    options = [word for option, value in given.items() if value for word in (option, value)]
    _work(
        lambda settings: comparison.compare(
            settings, is_random=random, sizes=sizes, options=options, into=into
        ),
        config,
    )


def _work(
    work: "Callable[[Settings], Coroutine[Any, Any, int]]",
    config: Path | None,
    *,
    verbose: bool = False,
    stopped: int | None = None,
) -> None:
    """Read the settings, open the log, do the work; errors a person can act on become one line.

    Args:
        work: The command.
        config: The settings file that the command line names.
        verbose: Log info events, too.
        stopped: The exit code after Ctrl-C or SIGTERM; None means 128 and the signal's number.
    """
    from bot.cli import failures, logs, runner
    from bot.settings import load_settings

    locale = locale_of_line(sys.argv[1:])
    os.umask(0o077)  # whatever this process and its worker create is for their owner alone
    code = 1
    try:
        settings = load_settings(config)
        locale = settings.language
        logs.open_log(secrets=settings.secrets(), verbose=verbose)
        code = runner.run(lambda: work(settings), stopped=stopped)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - what is unknown is raised again
        unknown = failures.explained(error, lambda line: typer.echo(line, err=True), locale)
        if unknown is not None:
            raise unknown from None
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; the ``sugarbot`` script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no ✓ is no error
    code = 1
    try:
        code = app(prog_name="sugarbot", standalone_mode=False)
    except UsageError as error:
        typer.echo(explained(error, sys.argv[1:]), err=True)
        code = USAGE_ERROR
    except Exception:  # noqa: BLE001 - logged with its traceback
        import structlog

        from bot.cli import logs

        if not structlog.is_configured():
            logs.open_log()
        structlog.get_logger("bot").critical("unexpected error", exc_info=True)  # here secrets are struck out
    if "bot.cli.runner" in sys.modules:  # else no command has run
        from bot.cli.runner import leave_if_threads_remain

        leave_if_threads_remain(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
