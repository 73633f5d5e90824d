"""What people press instead of typing: the command menus, the buttons under messages, and answers to presses.

A button's data names a command (``bot.commands.buttons``), so a button also works after a restart. A menu
grants no rights: Telegram passes on any command that a person types, and the desk checks it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeChat,
    BotCommandScopeDefault,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
)
from telegram.constants import CallbackQueryLimit
from telegram.error import BadRequest, Forbidden, TelegramError

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.parsing import ButtonPress
from bot.chats.telegram_.sender import Sender, truncate
from bot.commands.buttons import data_of
from bot.commands.table import telegram_menu
from bot.commands.values import Cancel, Original, Reroll
from bot.outcomes import HistoryEntry, OwnerReport

DECLARE_TIMEOUT_S = 20.0
MENU_LOCALES = {"": "en", "zh": "zh-CN"}
"""Telegram's language code → our locale; the empty code is the menu for all other languages."""

LABEL_CHARS = 32  # of a prompt; phones cut off longer labels
MAX_SPIN_S = 2.0  # how long a button may show its spinner while the desk is busy
ANSWER_TIMEOUT_S = 10.0
MAX_ALERT_UNITS = int(CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH)

log = structlog.get_logger(__name__)


def menu_commands(locale: str, *, for_host: bool) -> tuple[BotCommand, ...]:
    """List the commands of a menu in this locale."""
    rows = telegram_menu(for_host=for_host)
    return tuple(BotCommand(row.telegram_name, messages.text(row.about, locale)) for row in rows)


async def declare_menus(bot: Bot, hosts: Sequence[int] = ()) -> None:
    """Update Telegram's command menus: the general one, and one for each host's private chat with the bot.

    Telegram knows a private chat only after the host wrote there. Until then, each start tries again.

    Args:
        bot: An initialized bot.
        hosts: User ids of the hosts, which are also the ids of their private chats.

    Raises:
        TelegramError, TimeoutError: Telegram did not accept the menus.
    """
    async with asyncio.timeout(DECLARE_TIMEOUT_S):
        await _declare_menu(bot, BotCommandScopeDefault(), for_host=False)
        for host in hosts:
            try:
                await _declare_menu(bot, BotCommandScopeChat(host), for_host=True)
            except (BadRequest, Forbidden) as error:
                log.info("host menu not declared", user_id=host, reason=error.message)


async def _declare_menu(bot: Bot, scope: BotCommandScope, *, for_host: bool) -> None:
    for code, locale in MENU_LOCALES.items():
        commands = menu_commands(locale, for_host=for_host)
        if await bot.get_my_commands(scope, code or None) != commands:
            await bot.set_my_commands(commands, scope, code or None)


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


class PressAnswer:
    """The answer to one press of a button; Telegram accepts only one.

    The button shows a spinner until then. A refusal is visible to the presser only: it is an alert, or, if
    the press is too old for an alert, a message in the private chat. It is never a message in a group.
    """

    def __init__(self, bot: Bot, sender: Sender, press: ButtonPress) -> None:
        self._bot = bot
        self._sender = sender
        self._press = press
        self._is_open = True

    @asynccontextmanager
    async def limit_spinner(self) -> AsyncIterator[None]:
        """Stop the spinner after ``MAX_SPIN_S`` seconds if the block still runs."""

        async def stop_later() -> None:
            await asyncio.sleep(MAX_SPIN_S)
            await self.stop_spinner()

        stopping = asyncio.create_task(stop_later(), name=f"telegram press {self._press.query_id}")
        try:
            yield
        finally:
            if self._is_open:
                stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def stop_spinner(self, text: str = "") -> None:
        """Answer the press and show ``text`` for a moment. Failures are ignored: the work is done anyway."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(TelegramError, TimeoutError):
                await self._answer(text or None)

    async def refuse(self, text: str) -> None:
        """Show the presser why nothing was done; raises the same errors as ``Reply.send``."""
        if self._is_open:
            try:
                await self._answer(truncate(text, MAX_ALERT_UNITS), show_alert=True)
            except BadRequest:
                self._is_open = False  # the press is too old
            else:
                self._is_open = False
                return
        address = self._press.address
        if address.is_group:
            address = ChatAddress(int(self._press.context.user_id))
        await self._sender.show_text(address, text)

    async def _answer(self, text: str | None, *, show_alert: bool = False) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._bot.answer_callback_query(self._press.query_id, text, show_alert=show_alert or None)
