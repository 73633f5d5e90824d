"""Telegram's command menus, made from the one table and declared only where they differ.

Everyone's menu holds everyone's commands. The hosts' commands stand in the menus of the hosts' own chats with
the bot. A menu is no permission: Telegram passes on whatever is typed, and the desk checks it.
"""

import asyncio
from collections.abc import Sequence

import structlog
from telegram import Bot, BotCommand, BotCommandScope, BotCommandScopeChat, BotCommandScopeDefault
from telegram.error import BadRequest, Forbidden

from bot import messages
from bot.commands.table import telegram_menu

DECLARE_S = 20.0
LANGUAGES = {"": "en", "zh": "zh-CN"}
"""Telegram's language code → our locale; the empty code is for everyone without a list of their own."""

log = structlog.get_logger(__name__)


def menu(locale: str, *, for_host: bool) -> tuple[BotCommand, ...]:
    """The commands as people of this locale see them."""
    rows = telegram_menu(for_host=for_host)
    return tuple(BotCommand(row.telegram_name, messages.text(row.about, locale)) for row in rows)


async def declare(bot: Bot, hosts: Sequence[int] = ()) -> None:
    """Bring Telegram's menus up to date: everyone's, and that of each host's chat with the bot.

    Telegram knows no such chat before the host first wrote there; it is tried again at the next start.

    Args:
        bot: As it stands, with its token proved.
        hosts: The hosts' user ids, which are also the ids of their chats with the bot.

    Raises:
        TelegramError: Telegram did not take them; so does a ``TimeoutError``.
    """
    async with asyncio.timeout(DECLARE_S):
        await _declare(bot, BotCommandScopeDefault(), for_host=False)
        for host in hosts:
            try:
                await _declare(bot, BotCommandScopeChat(host), for_host=True)
            except (BadRequest, Forbidden) as error:
                log.info("host menu not declared", user_id=host, reason=error.message)


async def _declare(bot: Bot, scope: BotCommandScope, *, for_host: bool) -> None:
    for code, locale in LANGUAGES.items():
        commands = menu(locale, for_host=for_host)
        if await bot.get_my_commands(scope, code or None) != commands:
            await bot.set_my_commands(commands, scope, code or None)
