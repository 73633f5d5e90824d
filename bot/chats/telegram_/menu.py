"""Telegram's command menu, made from the one table and declared only where it differs."""

import asyncio

from telegram import Bot, BotCommand

from bot import words
from bot.commands.table import telegram_menu

DECLARE_S = 20.0
LANGUAGES = {"": "en", "zh": "zh-CN"}
"""Telegram's language code → our locale; the empty code is for everyone without a list of their own."""


def menu(locale: str) -> tuple[BotCommand, ...]:
    """The commands as people of this locale see them."""
    return tuple(BotCommand(row.telegram_name, words.text(row.about, locale)) for row in telegram_menu())


async def declare(bot: Bot) -> None:
    """Bring Telegram's menus up to date.

    Raises:
        TelegramError: Telegram did not take them; so does a ``TimeoutError``.
    """
    async with asyncio.timeout(DECLARE_S):
        for code, locale in LANGUAGES.items():
            commands = menu(locale)
            if await bot.get_my_commands(language_code=code or None) != commands:
                await bot.set_my_commands(commands, language_code=code or None)
