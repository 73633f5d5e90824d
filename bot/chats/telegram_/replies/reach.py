"""Whether the bot may write to a person in private.

Telegram allows it to those who opened the private chat and did not block the bot. Nobody but Telegram knows
both, so it is asked: a chat action shows "typing…" there for a moment, and nothing else.
"""

import asyncio
from dataclasses import replace

from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden

from bot.chats.telegram_.place import Place
from bot.commands.values import Command, Draw
from bot.outcomes import CommandContext

ASK_S = 10.0


async def with_private_address(bot: Bot, command: Command, context: CommandContext) -> CommandContext:
    """The visit with the person's private chat, where a group is asked for a private picture.

    Raises:
        TelegramError: Telegram did not say; ask again. So does a ``TimeoutError``.
    """
    if not (isinstance(command, Draw) and command.private and context.is_group):
        return context
    try:
        async with asyncio.timeout(ASK_S):
            await bot.send_chat_action(int(context.user_id), ChatAction.TYPING)
    except (BadRequest, Forbidden):
        return context
    return replace(context, private_address=Place(int(context.user_id)).address())
