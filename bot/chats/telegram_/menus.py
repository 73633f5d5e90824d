"""The command menus. A menu grants no rights: the desk checks any command that a person types."""

import asyncio
from collections.abc import Sequence

import structlog
from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, Forbidden

from bot import messages
from bot.commands.table import telegram_menu

DECLARE_TIMEOUT_S = 20.0
MENU_LOCALES = {"": "en", "zh": "zh-CN"}
"""Telegram's language code → our locale; the empty code is the menu for all other languages.

A code has two letters (Bot API, ``setMyCommands``), so people who read Traditional characters get the menu of
``zh``; the answers to them are in Traditional characters, because their own code says so (``zh-hant``).
"""

log = structlog.get_logger(__name__)


def menu_commands(locale: str, *, for_host: bool, in_group: bool = False) -> tuple[BotCommand, ...]:
    """List the commands of a menu in this locale."""
    rows = telegram_menu(for_host=for_host, in_group=in_group)
    return tuple(BotCommand(row.telegram_name, messages.text(row.about, locale)) for row in rows)


async def declare_menus(bot: Bot, hosts: Sequence[int] = ()) -> None:
    """Update Telegram's command menus: for private chats, for groups, and for each host's private chat.

    Telegram knows a private chat only after the host wrote there. Until then, each start tries again.

    Args:
        bot: An initialized bot.
        hosts: User ids of the hosts, which are also the ids of their private chats.

    Raises:
        TelegramError, TimeoutError: Telegram did not accept the menus.
    """
    async with asyncio.timeout(DECLARE_TIMEOUT_S):
        await _declare_menu(bot, BotCommandScopeDefault(), for_host=False)
        await _declare_menu(bot, BotCommandScopeAllGroupChats(), for_host=False, in_group=True)
        for host in hosts:
            try:
                await _declare_menu(bot, BotCommandScopeChat(host), for_host=True)
            except (BadRequest, Forbidden) as error:
                log.info("host menu not declared", user_id=host, reason=error.message)


async def _declare_menu(bot: Bot, scope: BotCommandScope, *, for_host: bool, in_group: bool = False) -> None:
    for code, locale in MENU_LOCALES.items():
        commands = menu_commands(locale, for_host=for_host, in_group=in_group)
        if await bot.get_my_commands(scope, code or None) != commands:
            await bot.set_my_commands(commands, scope, code or None)
