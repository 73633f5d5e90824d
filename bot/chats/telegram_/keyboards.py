"""The buttons under our messages; what they say to the desk stands in ``bot.commands.buttons``."""

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import words
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, Reroll


def cancel_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """One button that stops the job."""
    return _one_button(words.label("cancel", locale), Cancel(job_id))


def reroll_keyboard(job_id: str, locale: str) -> InlineKeyboardMarkup:
    """One button that draws the job again with a new seed."""
    return _one_button(words.label("reroll", locale), Reroll(job_id))


def _one_button(label: str, command: Cancel | Reroll) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup.from_button(InlineKeyboardButton(label, callback_data=data_of(command)))
