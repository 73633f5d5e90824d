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
from bot.desk.outcomes import Visit

ASK_S = 10.0


async def with_private_address(bot: Bot, command: Command, visit: Visit) -> Visit:
    """The visit with the person's private chat, where a group is asked for a private picture.

    Raises:
        TelegramError: Telegram did not say; ask again. So does a ``TimeoutError``.
    """
    if not (isinstance(command, Draw) and command.private and visit.is_group):
        return visit
    try:
        async with asyncio.timeout(ASK_S):
            await bot.send_chat_action(int(visit.user_id), ChatAction.TYPING)
    except (BadRequest, Forbidden):
        return visit
    return replace(visit, private_address=Place(int(visit.user_id)).address())
