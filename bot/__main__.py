"""The ``sugarbot`` command: one short function for each shell command.

At the start this module imports only typer. Each command imports what it needs, so that ``--help`` answers at
once. The docstrings and help texts of the commands are msgids of ``bot/messages/zh_CN.po``.

Exit codes: 0 success · 1 a refusal, or errors that the host can act on, one line each · 2 wrong usage · 130
after Ctrl-C and 143 after SIGTERM; ``run`` and ``demo`` end with 0 then, because a signal is their ordinary
end.
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.usage import (
    USAGE_ERROR,
    UsageCommand,
    UsageError,
    UsageGroup,
    explain_usage_error,
    language_of_arguments,
)

if TYPE_CHECKING:
    from bot.errors import BadSettings
    from bot.settings import Settings

app = typer.Typer(
    cls=UsageGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Draw faces with Z-Image-Turbo and a LoRA of your choice, in Discord, Telegram and on a local page.",
)

db = typer.Typer(
    cls=UsageGroup, help=("Check, back up and restore the database; without a subcommand: `check`.")
)
app.add_typer(db, name="db")

loras = typer.Typer(
    cls=UsageGroup, help="Look at the LoRA shelf and change it; without a subcommand: `list`."
)
app.add_typer(loras, name="lora")

Config = Annotated[Path | None, typer.Option("--config", help="Read this file instead of sugarbot.toml.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(cls=UsageCommand)
def run(
    sync: Annotated[
        bool, typer.Option("--sync", help="Declare the commands to Discord even if they have not changed.")
    ] = False,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Serve every chat that is set up, until Ctrl-C."""
    from bot.cli import serve

    _run_command(lambda settings: serve.run(settings, must_sync=sync), config, verbose=not quiet, stop_code=0)


@app.command(cls=UsageCommand)
def demo(config: Config = None, verbose: Verbose = False) -> None:
    """Draw a first picture with the built-in model, then serve the local page until Ctrl-C."""
    from bot.cli import serve

    _run_command(serve.demo, config, verbose=verbose, stop_code=0)


@app.command(cls=UsageCommand)
def say(
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="The message, like: /sugar a smiling face --seed 7")
    ],
    name: Annotated[str, typer.Option("--as", help="The sender's name.")] = "a member",
    host: Annotated[bool, typer.Option("--host", help="Send it as a host of the bot.")] = False,
    out: Annotated[Path, typer.Option(help="The folder for the pictures.")] = Path("out"),
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Send one message to the bot and wait for its answer."""
    from bot.cli import serve

    _run_command(
        lambda settings: serve.say(settings, message, user_name=name, is_host=host, out_dir=out),
        config,
        verbose=verbose,
    )


@app.command(cls=UsageCommand)
def setup(config: Config = None) -> None:
    """Download the model if it is missing, and convert its weights once so that every start is faster."""
    from bot.cli import setup as setup_command

    _run_command(setup_command.report, config, verbose=True)


@app.command(cls=UsageCommand)
def doctor(
    config: Config = None,
    json: AsJson = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what can be repaired, then check again.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Draw a picture, too.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no platform.")] = False,
    issue: Annotated[
        bool, typer.Option("--issue", help="Print a report without secrets, for a public issue.")
    ] = False,
) -> None:
    """Check the set-up: what works, what is wrong, and what to do; exits 1 if anything is wrong."""
    from bot.cli import doctor as doctor_command

    options = doctor_command.DoctorOptions(
        as_json=json, for_issue=issue, must_fix=fix, is_deep=deep, is_offline=offline
    )
    if fix:
        doctor_command.repair_settings(config)
    _run_command(
        lambda settings: doctor_command.report(settings, options),
        config,
        report_bad_settings=lambda error, locale: doctor_command.report_bad_settings(error, locale, options),
    )


@app.command(cls=UsageCommand)
def plan(
    card: Annotated[
        str, typer.Option("--card", help="A card by its name, like: RTX 3060; default: this machine's.")
    ] = "",
    free: Annotated[
        float | None, typer.Option("--free", min=0, max=1000, help="GiB of the card that are free.")
    ] = None,
    ram: Annotated[
        float | None, typer.Option("--ram", min=0, max=10000, help="GiB of main memory that are free.")
    ] = None,
    size: Annotated[
        str, typer.Option("--size", help="One size, like 1024x1024; default: the usual ones.")
    ] = "",
    precision: Annotated[str, typer.Option("--precision", help="auto, bf16, fp8 or int8.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
    config: Config = None,
) -> None:
    """Show where the model would live on a card, and how long pictures would take; nothing is loaded."""
    from bot.cli import plan as plan_command

    question = plan_command.PlanQuestion(
        card=card,
        free_gib=free,
        ram_gib=ram,
        size=plan_command.read_size(size),
        precision=precision,
        as_json=as_json,
    )
    if size and question.size is None:
        raise typer.BadParameter("", param_hint="--size")
    if precision and precision not in plan_command.PRECISIONS:
        raise typer.BadParameter("", param_hint="--precision")
    _run_command(lambda settings: plan_command.report(settings, question), config)


@loras.callback(invoke_without_command=True)
def lora_without_command(context: typer.Context, config: Config = None) -> None:
    """Look at the LoRA shelf and change it; without a subcommand: `list`."""
    if context.invoked_subcommand is None:
        list_loras(config=config)


@loras.command("list", cls=UsageCommand)
def list_loras(as_json: AsJson = False, config: Config = None) -> None:
    """List the shelf: each LoRA with its file, and each refused file with the reason."""
    from bot.cli import lora

    _run_command(lambda settings: lora.list_shelf(settings, as_json=as_json), config)


@loras.command("check", cls=UsageCommand)
def check_lora(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA file, anywhere.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Check a LoRA file in every way that needs no card; exits 1 if it is refused."""
    from bot.cli import lora

    _run_command(lambda settings: lora.check(settings, file, as_json=as_json), config)


@loras.command("info", cls=UsageCommand)
def show_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the shelf.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show what is known of a LoRA, and what its trainer wrote about it."""
    from bot.cli import lora

    _run_command(lambda settings: lora.info(settings, name, as_json=as_json), config)


@loras.command("add", cls=UsageCommand)
def add_lora(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA file, anywhere.")],
    name: Annotated[str, typer.Option("--name", help="Its name on the shelf; default: the file's.")] = "",
    config: Config = None,
) -> None:
    """Check a LoRA file and copy it into the LoRA folder; a running bot notices it."""
    from bot.cli import lora

    _run_command(lambda settings: lora.add(settings, file, name), config)


@loras.command("pin", cls=UsageCommand)
def pin_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the LoRA folder.")],
    off: Annotated[bool, typer.Option("--off", help="Allow another content again.")] = False,
    config: Config = None,
) -> None:
    """Keep a LoRA as it is: a file of this name with another content is refused."""
    from bot.cli import lora

    _run_command(lambda settings: lora.pin(settings, name, is_off=off), config)


@loras.command("remove", cls=UsageCommand)
def remove_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the LoRA folder.")],
    config: Config = None,
) -> None:
    """Delete a LoRA from the LoRA folder; waiting jobs of a running bot keep it."""
    from bot.cli import lora

    _run_command(lambda settings: lora.remove(settings, name), config)


@db.callback(invoke_without_command=True)
def db_without_command(context: typer.Context, config: Config = None) -> None:
    """Check, back up and restore the database; without a subcommand: `check`."""
    if context.invoked_subcommand is None:
        check(config)


@db.command(cls=UsageCommand)
def check(config: Config = None) -> None:
    """Show where the database is, its schema version, whether it is intact, and what it contains."""
    from bot.cli import db

    _run_command(db.check, config)


@db.command(cls=UsageCommand)
def backup(
    to: Annotated[Path | None, typer.Option(help="A folder; default: backups/ in the data folder.")] = None,
    config: Config = None,
) -> None:
    """Back up the database, even while the bot runs; `run` does this once a day."""
    from bot.cli import db

    _run_command(lambda settings: db.back_up(settings, to), config)


@db.command(cls=UsageCommand)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    config: Config = None,
) -> None:
    """Replace the database with a backup; the old file is kept beside it. Stop the bot first."""
    from bot.cli import db

    _run_command(lambda settings: db.restore(settings, file), config)


@app.command(cls=UsageCommand)
def bench(
    article: Annotated[bool, typer.Option("--article", help="The rows of the article, end to end.")] = False,
    random: Annotated[
        bool, typer.Option("--random", help="Use random weights of Z-Image-Turbo's real size.")
    ] = False,
    only: Annotated[str, typer.Option(help="Rows, like E1,E2; default: all.")] = "",
    sizes: Annotated[str, typer.Option(help="Sizes of E1, E2 and E3, like 512x768,1024x1024,512x512.")] = "",
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Pictures per median; with --article: tens of pictures; from 1 to 100."
        ),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="A folder for the results; default: bench/ in the data folder.")
    ] = None,
    config: Config = None,
) -> None:
    """Measure this machine against stock diffusers, the strongest known recipe and its own limit."""
    from bot.cli.bench import article_table, comparison

    if {row.strip().upper() for row in only.split(",") if row} - set(comparison.ROWS):
        raise typer.BadParameter("", param_hint="--only")
    if sizes and len(sizes.split(",")) != comparison.SIZES:
        raise typer.BadParameter("", param_hint="--sizes")
    if article:
        _run_command(lambda settings: article_table.report(settings, rounds=rounds or 5, into=into), config)
    values = {"--only": only, "--rounds": str(rounds or "")}
    options = [word for option, value in values.items() if value for word in (option, value)]
    _run_command(
        lambda settings: comparison.compare(
            settings, is_random=random, sizes=sizes, options=options, into=into
        ),
        config,
    )


def _run_command(
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
    from bot.cli import failures, logs, runner
    from bot.errors import BadSettings
    from bot.settings import load_settings

    locale = language_of_arguments(sys.argv[1:])
    os.umask(0o077)  # only their owner may read the files of this process and of its worker
    code = 1
    try:
        settings = load_settings(config)
        locale = settings.language
        logs.open_log(secrets=settings.secrets(), verbose=verbose)
        code = runner.run(lambda: command(settings), stop_code=stop_code)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - unknown errors are raised again
        if isinstance(error, BadSettings) and report_bad_settings is not None:
            report_bad_settings(error, locale)
            raise typer.Exit(code) from None
        unknown = failures.print_known_errors(error, lambda line: typer.echo(line, err=True), locale)
        if unknown is not None:
            raise unknown from None
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; the ``sugarbot`` script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without ✓ is no error
    code = 1
    try:
        code = app(prog_name="sugarbot", standalone_mode=False)
    except UsageError as error:
        typer.echo(explain_usage_error(error, sys.argv[1:]), err=True)
        code = USAGE_ERROR
    except Exception:  # noqa: BLE001 - logged with its traceback
        import structlog

        from bot.cli import logs

        if not structlog.is_configured():
            logs.open_log()
        structlog.get_logger("bot").critical("unexpected error", exc_info=True)  # the log removes secrets
    if "bot.cli.runner" in sys.modules:  # otherwise no command has run
        from bot.cli.runner import exit_if_threads_remain

        exit_if_threads_remain(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
