"""``sugarbot db check``, ``db backup`` and ``db restore``."""

import asyncio
import time
from pathlib import Path

from rich.table import Table

from bot.app import BACKUPS, DATABASE, MIGRATIONS
from bot.cli.screen import Screen
from bot.desk import maintenance
from bot.messages import N_, text
from bot.settings import Settings
from bot.store import Survey, open_store
from bot.store.files import backup


async def check(settings: Settings) -> int:
    """Print the database's contents and whether it is sound; return 1 if it is not."""
    locale = settings.language
    path = settings.data_dir / DATABASE
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    store = await open_store(path, MIGRATIONS)
    try:
        survey = await store.survey()
    finally:
        await store.close()
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
    out = Screen()
    out.print(table)
    for problem in describe_problems(survey, locale):
        out.print(f"✗ {problem}")
    return int(not survey.is_sound)


async def back_up(settings: Settings, folder: Path | None) -> int:
    """Copy the database, also while the bot uses it; print the path of the copy.

    Raises:
        OperatorError: The database is missing or damaged, or the folder is not writable; nothing was changed.
    """
    path = settings.data_dir / DATABASE
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    copy = await asyncio.to_thread(backup.back_up, path, folder or settings.data_dir / BACKUPS, time.time())
    Screen().print_line(str(copy))
    return 0


async def restore(settings: Settings, file: Path) -> int:
    """Replace the database by a backup; print the path under which the replaced file is kept.

    Raises:
        OperatorError: The bot runs, or this version cannot use the backup; nothing was changed.
    """
    path = settings.data_dir / DATABASE
    await asyncio.to_thread(maintenance.make_private, settings.data_dir)
    replaced = await asyncio.to_thread(backup.restore, file, path, MIGRATIONS, time.time())
    locale = settings.language
    sentence = (
        text(N_("Restored. The previous database is kept as {path}"), locale, path=str(replaced))
        if replaced
        else text(N_("Restored to {path}"), locale, path=str(path))
    )
    Screen().print_line(sentence)
    return 0


def describe_problems(survey: Survey, locale: str) -> list[str]:
    """One sentence for each fault of the database; empty if it is sound."""
    problems = [text(N_("damaged: {detail}"), locale, detail=line) for line in survey.damage]
    if survey.unbalanced:
        broken = N_("{count} people have credits that differ from their ledger")
        problems.append(text(broken, locale, count=survey.unbalanced))
    if survey.lost_results:
        broken = N_("{count} ended jobs have no result to deliver")
        problems.append(text(broken, locale, count=survey.lost_results))
    return problems
