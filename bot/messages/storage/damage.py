"""Sentences about a database or a backup that is lost or damaged, with the backup that may replace it."""

from pathlib import Path

from bot import errors
from bot.languages import is_chinese
from bot.messages.catalogue import N_, text

DAMAGE_SENTENCES: dict[type[Exception], str] = {
    errors.DatabaseDamaged: N_("The database {path} is damaged: {detail}."),
    errors.DatabaseLost: N_(
        "The database {path} is missing or empty, but a bot has run here: backups or pictures of it are "
        "left. Nothing was changed."
    ),
    errors.BackupDamaged: N_("{path} is damaged: {detail}. Nothing was changed."),
}


def format_restore(backup: Path | None, locale: str) -> str:
    """Return how to restore the newest sound backup, or how to use one from elsewhere."""
    if backup is None:
        none = N_(
            "There is no sound backup beside the database; `sugarbot db restore FILE` brings back one from "
            "elsewhere."
        )
        return text(none, locale)
    found = N_("`sugarbot db restore {path}` brings back the newest sound backup.")
    return text(found, locale, path=str(backup))


def format_damage(error: BaseException, locale: str) -> str:
    """Return what to do about a DatabaseDamaged; empty for another error."""
    if not isinstance(error, errors.DatabaseDamaged):
        return ""
    backup = error.facts.get("backup")
    sentences = [format_restore(backup if isinstance(backup, Path) else None, locale)]
    if not isinstance(error, errors.BackupDamaged):
        over = N_("To start over, move sugarbot.db*, backups/ and pictures/ out of the folder.")
        sentences.append(text(over, locale))
    return ("" if is_chinese(locale) else " ").join(sentences)
