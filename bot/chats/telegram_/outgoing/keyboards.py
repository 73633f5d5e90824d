"""The buttons under messages; a button's data names a command, so it also works after a restart."""

from collections.abc import Sequence
from itertools import groupby

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit, KeyboardButtonStyle

from bot import messages
from bot.chats.telegram_.outgoing.texts import units_of
from bot.commands.buttons import data_of
from bot.commands.values import Original
from bot.outcomes import Control, ControlStyle, HistoryEntry, OwnerReport

LABEL_CHARS = 32  # of a prompt; phones cut off longer labels
MAX_COPIED_UNITS = int(InlineKeyboardButtonLimit.MAX_COPY_TEXT)
_STYLES = {
    ControlStyle.NORMAL: None,
    ControlStyle.PRIMARY: KeyboardButtonStyle.PRIMARY,
    ControlStyle.DANGER: KeyboardButtonStyle.DANGER,
}


def keyboard_of(controls: Sequence[Control], locale: str) -> InlineKeyboardMarkup | None:
    """Make the buttons of an answer, in its rows; None without any."""
    rows = [
        [_button(each, locale) for each in row]
        for _, row in groupby(controls, key=lambda control: control.row)
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def _button(control: Control, locale: str) -> InlineKeyboardButton:
    label = messages.button_label(control.label, locale, number=control.number)
    return InlineKeyboardButton(label, callback_data=data_of(control.command), style=_STYLES[control.style])


def copy_keyboard(copied: str, locale: str) -> InlineKeyboardMarkup | None:
    """Make a button that copies a text; None if Telegram copies only shorter ones."""
    if not 1 <= units_of(copied) <= MAX_COPIED_UNITS:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(messages.button_label("copy", locale), copy_text=CopyTextButton(copied))]]
    )


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
