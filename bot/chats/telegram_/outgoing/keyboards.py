"""The buttons under messages; a button's data names a command, so it also works after a restart."""

from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import messages
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, Original, Reroll
from bot.outcomes import HistoryEntry, OwnerReport

LABEL_CHARS = 32  # of a prompt; phones cut off longer labels


def cancel_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """Make a button that cancels the job."""
    return InlineKeyboardMarkup([[_button("cancel", Cancel(job_id), locale)]])


def picture_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """Make the buttons that draw the job again with a new seed, and that send its pictures as files."""
    reroll, original = Reroll(job_id), Original(job_id)
    return InlineKeyboardMarkup([[_button("reroll", reroll, locale), _button("original", original, locale)]])


def originals_keyboard(entries: Sequence[HistoryEntry], locale: str) -> InlineKeyboardMarkup | None:
    """Make one button per job that sends its pictures as files; None without jobs."""
    label = messages.button_label("original", locale)
    buttons = [
        InlineKeyboardButton(
            f"{label}: {messages.shorten(entry.recipe.typed, LABEL_CHARS)}",
            callback_data=data_of(Original(entry.job_id)),
        )
        for entry in entries
    ]
    return InlineKeyboardMarkup.from_column(buttons) if buttons else None


def owner_report_keyboard(report: OwnerReport) -> InlineKeyboardMarkup:
    """Make one button per LoRA of a report that takes it back."""
    return InlineKeyboardMarkup.from_column(
        [
            InlineKeyboardButton(label, callback_data=data_of(command))
            for label, command in messages.owner_report_buttons(report)
        ]
    )


def _button(label: str, command: Cancel | Reroll | Original, locale: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(messages.button_label(label, locale), callback_data=data_of(command))
