"""``sugarbot db``: one short function for each subcommand."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.shell.running import Config, run_command
from bot.cli.usage import UsageCommand, UsageGroup

db = typer.Typer(
    cls=UsageGroup, help=("Check, back up and restore the database; without a subcommand: `check`.")
)


@db.callback(invoke_without_command=True)
def db_without_command(context: typer.Context, config: Config = None) -> None:
    """Check, back up and restore the database; without a subcommand: `check`."""
    if context.invoked_subcommand is None:
        check(config)


@db.command(cls=UsageCommand)
def check(config: Config = None) -> None:
    """Show where the database is, its schema version, whether it is intact, and what it contains."""
    from bot.cli import db

    run_command(db.check, config)


@db.command(cls=UsageCommand)
def backup(
    to: Annotated[Path | None, typer.Option(help="A folder; default: backups/ in the data folder.")] = None,
    config: Config = None,
) -> None:
    """Back up the database, even while the bot runs; `run` does this every night."""
    from bot.cli import db

    run_command(lambda settings: db.back_up(settings, to), config)


@db.command(cls=UsageCommand)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Restore it also if credits or results do not add up.")
    ] = False,
    config: Config = None,
) -> None:
    """Replace the database with a sound backup, migrated; the old one is kept. Stop the bot first."""
    from bot.cli import db

    run_command(lambda settings: db.restore(settings, file, accepts_broken_laws=anyway), config)
