"""The buttons under messages; a button's data names a command, so it also works after a restart."""

from collections.abc import Sequence
from itertools import groupby
from unicodedata import east_asian_width
from urllib.parse import quote

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit, KeyboardButtonStyle

from bot import messages
from bot.chats.telegram_.outgoing.texts import units_of
from bot.commands.buttons import data_of
from bot.commands.finding.codes import format_recipe_code
from bot.commands.values import Original
from bot.outcomes import Control, ControlStyle, History, HistoryEntry, OwnerReport, controls_of

SHARE = "https://t.me/share/url?url="  # Telegram, Deep links
MAX_ROW_COLUMNS = 40  # of all labels of a row on a small phone, in Latin characters
LABEL_CHARS = 32  # of a prompt; phones cut off longer labels
MAX_COPIED_UNITS = int(InlineKeyboardButtonLimit.MAX_COPY_TEXT)
_STYLES = {
    ControlStyle.NORMAL: None,
    ControlStyle.PRIMARY: KeyboardButtonStyle.PRIMARY,
    ControlStyle.DANGER: KeyboardButtonStyle.DANGER,
}


def keyboard_of(
    controls: Sequence[Control], locale: str, code: str = "", link: str = ""
) -> InlineKeyboardMarkup | None:
    """Make the buttons of an answer, in its rows; None without any.

    A phone gives all buttons of a row the same width, so a row that is too wide becomes several.

    Args:
        controls: What the buttons do.
        locale: The reader's.
        code: A recipe code without dashes that one more button copies; empty for no such button.
        link: An address that one more button sends to a chat; empty for no such button.
    """
    grouped = groupby(controls, key=lambda control: control.row)
    rows = [[_button(each, locale) for each in row] for _, row in grouped]
    if code:
        label = messages.button_label("copy_recipe", locale)
        copying = InlineKeyboardButton(label, copy_text=CopyTextButton(format_recipe_code(code)))
        rows = [*rows[:-1], [*(rows[-1] if rows else []), copying]]
    if link:
        label = messages.button_label("share", locale)
        rows = [*rows, [InlineKeyboardButton(label, url=f"{SHARE}{quote(link, safe='')}")]]
    return InlineKeyboardMarkup([part for row in rows for part in _fitting(row)]) if rows else None


def _fitting(row: list[InlineKeyboardButton]) -> list[list[InlineKeyboardButton]]:
    """Halve a row until all of its labels can be read."""
    if len(row) == 1 or len(row) * max(_columns(button.text) for button in row) <= MAX_ROW_COLUMNS:
        return [row]
    middle = (len(row) + 1) // 2
    return _fitting(row[:middle]) + _fitting(row[middle:])


def _columns(label: str) -> int:
    """Return the width of a label; a Chinese character is twice as wide as a Latin one."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in label)


def _button(control: Control, locale: str) -> InlineKeyboardButton:
    label = messages.button_label(control.label, locale, number=control.number, name=control.name)
    return InlineKeyboardButton(label, callback_data=data_of(control.command), style=_STYLES[control.style])


def copy_keyboard(copied: str, locale: str) -> InlineKeyboardMarkup | None:
    """Make a button that copies a text; None if Telegram copies only shorter ones."""
    if not 1 <= units_of(copied) <= MAX_COPIED_UNITS:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(messages.button_label("copy", locale), copy_text=CopyTextButton(copied))]]
    )


def history_keyboard(
    history: History, entries: Sequence[HistoryEntry], locale: str
) -> InlineKeyboardMarkup | None:
    """Make one button for each of these jobs that sends its pictures as files, and those that turn pages."""
    label = messages.button_label("original", locale)
    buttons = [
        InlineKeyboardButton(
            f"{label}: {messages.shorten(entry.recipe.typed, LABEL_CHARS)}",
            callback_data=data_of(Original(entry.job_id)),
        )
        for entry in entries
    ]
    pages = [] if not history.entries else _fitting([_button(each, locale) for each in controls_of(history)])
    rows = [[button] for button in buttons] + pages
    return InlineKeyboardMarkup(rows) if rows else None


def owner_report_keyboard(report: OwnerReport) -> InlineKeyboardMarkup:
    """Make one button per LoRA of a report that takes it back."""
    return InlineKeyboardMarkup.from_column(
        [
            InlineKeyboardButton(label, callback_data=data_of(command))
            for label, command in messages.owner_report_buttons(report)
        ]
    )
