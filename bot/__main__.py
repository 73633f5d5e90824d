"""The ``sugarbot`` command: one short function for each shell command; ``bot.cli.shell`` has the groups.

At the start this module imports only typer. Each command imports what it needs, so that ``--help`` answers at
once. The docstrings and help texts of the commands are msgids of ``bot/messages/zh_CN.po``.

Exit codes: 0 success · 1 a refusal, or errors that the host can act on, one line each · 2 wrong usage · 130
after Ctrl-C and 143 after SIGTERM; ``run`` and ``demo`` end with 0 then, because a signal is their ordinary
end.
"""

import importlib.metadata
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.shell.db import db
from bot.cli.shell.lora import loras
from bot.cli.shell.running import AsJson, Config, Quiet, Verbose, run_command
from bot.cli.shell.setup import set_up
from bot.cli.usage import USAGE_ERROR, UsageCommand, UsageError, UsageGroup, UsageRefusal, explain_usage_error

app = typer.Typer(
    cls=UsageGroup,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Draw faces with Z-Image-Turbo and a LoRA of your choice, in Discord, Telegram and on a local page.",
)

app.add_typer(db, name="db")
app.add_typer(loras, name="lora")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"sugarbot {importlib.metadata.version('sugarbot')}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the command line itself."""


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
    from bot.settings import SettingsFiles

    files = SettingsFiles(config)
    run_command(
        lambda settings: serve.run(settings, files, must_sync=sync),
        config,
        verbose=not quiet,
        stop_code=0,
    )


@app.command(cls=UsageCommand)
def demo(config: Config = None, verbose: Verbose = False) -> None:
    """Draw a first picture with the built-in model, then serve the local page until Ctrl-C."""
    from bot.cli import serve

    run_command(serve.demo, config, verbose=verbose, stop_code=0)


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

    run_command(
        lambda settings: serve.say(settings, message, user_name=name, is_host=host, out_dir=out),
        config,
        verbose=verbose,
    )


app.command("setup", cls=UsageCommand)(set_up)


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
    run_command(
        lambda settings: doctor_command.report(settings, options),
        config,
        report_bad_settings=lambda error, locale: doctor_command.report_bad_settings(error, locale, options),
    )


@app.command(cls=UsageCommand)
def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Say what a start of this version would do; change nothing.")
    ] = False,
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Explain the steps of an upgrade; with --check: what a start of this version would do."""
    from bot.cli.upgrade import report
    from bot.messages import N_

    if json and not check:
        raise UsageRefusal(N_("--json needs --check: the steps of an upgrade are text."))
    if not check:
        run_command(report.explain, config)
    run_command(
        lambda settings: report.check(settings, as_json=json),
        config,
        report_bad_settings=lambda error, locale: report.report_bad_settings(error, locale, as_json=json),
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
    from bot.messages import N_

    question = plan_command.PlanQuestion(
        card=card,
        free_gib=free,
        ram_gib=ram,
        size=plan_command.read_size(size),
        precision=precision,
        as_json=as_json,
    )
    if size and question.size is None:
        raise UsageRefusal(N_("--size must be like 1024x1024: two multiples of 16 from 64 to 8192."))
    if precision and precision not in plan_command.PRECISIONS:
        raise UsageRefusal(N_("--precision must be one of {values}."), values=plan_command.PRECISIONS)
    run_command(lambda settings: plan_command.report(settings, question), config)


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
    from bot.messages import N_

    if {row.strip().upper() for row in only.split(",") if row} - set(comparison.ROWS):
        raise UsageRefusal(N_("--only must name rows of {values}."), values=tuple(comparison.ROWS))
    if sizes and len(sizes.split(",")) != comparison.SIZES:
        raise UsageRefusal(
            N_("--sizes must be {count} sizes like 512x768,1024x1024,512x512."), count=comparison.SIZES
        )
    if article:
        run_command(lambda settings: article_table.report(settings, rounds=rounds or 5, into=into), config)
    values = {"--only": only, "--rounds": str(rounds or "")}
    options = [word for option, value in values.items() if value for word in (option, value)]
    run_command(
        lambda settings: comparison.compare(
            settings, is_random=random, sizes=sizes, options=options, into=into
        ),
        config,
    )


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
