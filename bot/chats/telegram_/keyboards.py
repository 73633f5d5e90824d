"""The buttons under our messages; what they say to the desk is in ``bot.commands.buttons``."""

from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import messages
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, Original, Reroll
from bot.outcomes import HistoryEntry

LABEL_CHARS = 32  # of a prompt; longer ones are cut off on a phone


def cancel_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """One button that stops the job."""
    return InlineKeyboardMarkup([[_button("cancel", Cancel(job_id), locale)]])


def picture_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """Draw the job again with a new seed; get its pictures as files."""
    again, original = Reroll(job_id), Original(job_id)
    return InlineKeyboardMarkup([[_button("reroll", again, locale), _button("original", original, locale)]])


def originals_keyboard(entries: Sequence[HistoryEntry], locale: str) -> InlineKeyboardMarkup | None:
    """One button for each of these jobs, which sends its pictures as files; None without jobs."""
    label = messages.label("original", locale)
    buttons = [
        InlineKeyboardButton(
            f"{label}: {messages.shorten(entry.recipe.prompt, LABEL_CHARS)}",
            callback_data=data_of(Original(entry.job_id)),
        )
        for entry in entries
    ]
    return InlineKeyboardMarkup.from_column(buttons) if buttons else None


def _button(label: str, command: Cancel | Reroll | Original, locale: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(messages.label(label, locale), callback_data=data_of(command))
