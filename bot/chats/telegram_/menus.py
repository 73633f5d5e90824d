"""The command menus. A menu grants no rights: the desk checks any command that a person types."""

import asyncio
from collections.abc import Callable

import structlog
from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, Forbidden, TelegramError

from bot import messages
from bot.commands.table import telegram_menu

DECLARE_TIMEOUT_S = 20.0
LOOK_EVERY_S = 1.0  # at who is a host
RETRY_AFTER_S = 30.0
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


async def declare_menus(bot: Bot) -> None:
    """Update Telegram's command menus for private chats and for groups.

    Args:
        bot: An initialized bot.

    Raises:
        TelegramError, TimeoutError: Telegram did not accept the menus.
    """
    async with asyncio.timeout(DECLARE_TIMEOUT_S):
        await _declare_menu(bot, BotCommandScopeDefault(), for_host=False)
        await _declare_menu(bot, BotCommandScopeAllGroupChats(), for_host=False, in_group=True)


class HostMenus:
    """Gives each host a menu with the hosts' commands in their private chat, and takes it back from others.

    Telegram knows a private chat only after the host wrote there. Until then, each start tries again.

    Args:
        bot: An initialized bot.
        hosts: Returns who is a host now, from memory: user ids, which are also the ids of private chats.
    """

    def __init__(self, bot: Bot, hosts: Callable[[], frozenset[int]]) -> None:
        self._bot = bot
        self._hosts = hosts
        self._declared: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Follow every change of the hosts, until cancelled."""
        while True:
            try:
                await self.update()
            except (TelegramError, TimeoutError) as error:
                log.warning("host menus not declared, trying again", reason=type(error).__name__)
                await asyncio.sleep(RETRY_AFTER_S)
            await asyncio.sleep(LOOK_EVERY_S)

    async def update(self) -> None:
        """Declare the menus of those who are hosts since the last call, and delete those of former hosts.

        Raises:
            TelegramError, TimeoutError: Telegram did not accept a menu; the next call goes on there.
        """
        hosts = self._hosts()
        for host in sorted(hosts ^ self._declared):
            scope = BotCommandScopeChat(host)
            async with asyncio.timeout(DECLARE_TIMEOUT_S):
                try:
                    if host in hosts:
                        await _declare_menu(self._bot, scope, for_host=True)
                    else:
                        await _delete_menu(self._bot, scope)
                except (BadRequest, Forbidden) as error:
                    log.info("host menu not declared", user_id=host, reason=error.message)
            self._declared ^= {host}


async def _declare_menu(bot: Bot, scope: BotCommandScope, *, for_host: bool, in_group: bool = False) -> None:
    for code, locale in MENU_LOCALES.items():
        commands = menu_commands(locale, for_host=for_host, in_group=in_group)
        if await bot.get_my_commands(scope, code or None) != commands:
            await bot.set_my_commands(commands, scope, code or None)


async def _delete_menu(bot: Bot, scope: BotCommandScope) -> None:
    for code in MENU_LOCALES:
        await bot.delete_my_commands(scope, code or None)
