"""Marks a request in a group as seen by a reaction, which costs the group no message."""

import asyncio

import structlog
from telegram import Bot
from telegram.constants import ReactionEmoji
from telegram.error import RetryAfter, TelegramError

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.rate_limiter import RateLimiter, retry_after_s
from bot.outcomes import Receipt

SEEN = ReactionEmoji.EYES
QUIET_WAIT_S = 30.0  # who waits longer wants to know the place in the queue
REACTION_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


def needs_no_message(receipt: Receipt) -> bool:
    """Whether a receipt says nothing that its person must read before the picture arrives."""
    if receipt.notes or receipt.is_loading:
        return False
    return not receipt.position if receipt.wait is None else receipt.wait.most_s <= QUIET_WAIT_S


class RequestReactions:
    """Reacts to people's messages."""

    def __init__(self, bot: Bot, rate_limiter: RateLimiter) -> None:
        self._bot = bot
        self._rate_limiter = rate_limiter

    async def mark_seen(self, address: ChatAddress) -> bool:
        """React to the message that ``address`` replies to; False if it cannot be done, so send a message.

        Some groups allow no reactions, or not this one. To react twice changes nothing.
        """
        if address.reply_to is None:
            return False
        try:
            async with asyncio.timeout(REACTION_TIMEOUT_S):
                await self._bot.set_message_reaction(address.chat_id, address.reply_to, SEEN)
        except (TelegramError, TimeoutError) as error:
            if isinstance(error, RetryAfter):
                self._rate_limiter.pause(address.chat_id, retry_after_s(error))
            log.info("no reaction", chat_id=address.chat_id, reason=repr(error))
            return False
        return True
