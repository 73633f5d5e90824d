"""``sugarbot db check``, ``db backup`` and ``db restore``."""

import asyncio
import time
from pathlib import Path

from rich.table import Table

from bot.app import DATABASE, MIGRATIONS
from bot.checks.finding import Level
from bot.cli.screen import Screen
from bot.desk import maintenance
from bot.desk.backups import forget_failure, require_space
from bot.messages import N_, text
from bot.messages.checks import format_finding
from bot.messages.problems import format_problem
from bot.messages.storage.damage import format_restore
from bot.settings import Settings
from bot.store import Survey
from bot.store.files import backup
from bot.store.files import restore as restoring
from bot.store.files.migrate import read_migrations
from bot.store.survey import survey_at


async def check(settings: Settings) -> int:
    """Print the database's contents and whether it is sound, also while the bot runs; return 1 if it is not.

    Raises:
        OperatorError: The database is missing, or cannot be read; nothing was changed.
    """
    locale = settings.language
    path = settings.data_dir / DATABASE
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    known = len(await asyncio.to_thread(read_migrations, MIGRATIONS))
    survey = await asyncio.to_thread(survey_at, path, known)
    out = Screen()
    out.print(_contents(path, survey, locale))
    if survey.schema < known:
        facts = {"found": survey.schema, "known": known}
        out.print_line(f"{Level.NOTE} {format_finding('database_old', facts, locale)}")
    for problem in describe_problems(survey, locale):
        out.print(f"✗ {problem}")
    if survey.damage:
        sound = await asyncio.to_thread(backup.newest_sound, path)
        out.print_line(format_restore(sound, locale))
    return int(not survey.is_sound)


def _contents(path: Path, survey: Survey, locale: str) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, value in (
        (N_("file"), str(path)),
        (N_("schema"), str(survey.schema)),
        (N_("people"), str(survey.people)),
        (N_("jobs"), ", ".join(f"{count} {state}" for state, count in survey.jobs.items()) or "0"),
        (N_("pictures"), str(survey.pictures)),
        (N_("credits, and the ledger's sum"), f"{survey.credits}, {survey.ledger}"),
    ):
        table.add_row(text(label, locale), value)
    return table


async def back_up(settings: Settings, folder: Path | None) -> int:
    """Copy the database, also while the bot uses it; print the path of the copy.

    Raises:
        OperatorError: The database is missing or damaged, or the folder is not writable; nothing was changed.
    """
    path = settings.data_dir / DATABASE
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    folder = folder or settings.data_dir / backup.BACKUPS
    await asyncio.to_thread(require_space, path, folder, settings.storage.reserve_bytes)
    copy = await asyncio.to_thread(backup.back_up, path, folder, time.time())
    await asyncio.to_thread(forget_failure, path)
    Screen().print_line(str(copy))
    return 0


async def restore(settings: Settings, file: Path, *, accepts_broken_laws: bool = False) -> int:
    """Replace the database by a backup; print what it contains and how to go back.

    Args:
        settings: The host's settings.
        file: The backup.
        accepts_broken_laws: Restore it also if credits or results do not add up.

    Raises:
        OperatorError: The bot runs, or this version cannot use the backup; nothing was changed.
    """
    path, locale = settings.data_dir / DATABASE, settings.language
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    restored = await asyncio.to_thread(
        restoring.restore, file, path, MIGRATIONS, time.time(), accepts_broken_laws=accepts_broken_laws
    )
    out, survey = Screen(), restored.survey
    contents = {
        "people": survey.people,
        "jobs": sum(survey.jobs.values()),
        "pictures": survey.pictures,
        "schema": survey.schema,
    }
    sentence = N_("Restored {path}: people {people}, jobs {jobs}, pictures {pictures}, schema {schema}.")
    out.print_line(text(sentence, locale, path=str(file), **contents))
    if restored.migrations:
        names = tuple(migration.name for migration in restored.migrations)
        out.print_line(text(N_("Migrated to this version: {names}."), locale, names=names))
    for problem in describe_problems(survey, locale):
        out.print_line(f"✗ {problem}")
    if restored.restore_point:
        sound = N_("The database from before is kept. To go back: sugarbot db restore {path}")
        damaged = N_("The damaged database from before is kept: {path}")
        sentence = sound if restored.can_go_back else damaged
        out.print_line(text(sentence, locale, path=str(restored.restore_point)))
    return 0


def describe_problems(survey: Survey, locale: str) -> list[str]:
    """One sentence for each fault of the database; empty if it is sound."""
    return [format_problem(problem, locale) for problem in survey.problems()]
