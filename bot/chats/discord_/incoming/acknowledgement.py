"""The first response to an interaction, which says that the answer follows.

Discord's reply to it may be lost, and the response may take effect late. Then the bot looks at what people
see, and once more when Discord takes no response any more.
"""

import asyncio
import contextlib

import discord
import structlog

from bot.chats.discord_.library_internals import Interaction
from bot.chats.discord_.outgoing.layout import CALL_TIMEOUT_S, shows_progress
from bot.chats.discord_.outgoing.sender import NETWORK_ERRORS

log = structlog.get_logger()
ACK_TIMEOUT_S = 3.0  # Discord, Receiving and Responding: it refuses later responses
LOOK_AGAIN_S = ACK_TIMEOUT_S  # after a first look, for a response that takes effect late
ALREADY_ACKNOWLEDGED = (
    40060  # by our own first attempt whose reply was lost, or before the event was replayed
)


async def acknowledge(interaction: Interaction, *, is_private: bool) -> int | None:
    """Show "thinking…".

    Returns:
        The message id of the response, 0 if it was deleted; None if it is too late, or if the response
        already shows an answer.

    Raises:
        discord.HTTPException, aiohttp.ClientError, TimeoutError: Nobody knows; the next start asks again.
    """
    made, is_shown = None, True  # as far as we know
    try:
        async with asyncio.timeout(ACK_TIMEOUT_S):
            made = await interaction.response.defer(ephemeral=is_private, thinking=True)
    except NETWORK_ERRORS as error:
        is_shown = _is_already_acknowledged(interaction, error)
        if not is_shown and 400 <= getattr(error, "status", 0) < 500:
            return None
        # Else perhaps only Discord's answer was lost, and the person sees "thinking…".
    if made is not None and made.message_id is not None:
        return made.message_id
    message = await _find_response(interaction)
    if message is None and not is_shown:
        await asyncio.sleep(LOOK_AGAIN_S)
        message = await _find_response(interaction)
    if message is None:  # deleted by the person, or by our public refusal, which may not have arrived
        return None if is_private or not is_shown else 0
    return message.id if message.flags.loading or shows_progress(message) else None


async def _find_response(interaction: Interaction) -> discord.InteractionMessage | None:
    with contextlib.suppress(discord.NotFound):
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await interaction.original_response()
    return None


async def acknowledge_press(interaction: Interaction) -> bool:
    """Announce that the pressed message will change; False if it is too late."""
    try:
        async with asyncio.timeout(ACK_TIMEOUT_S):
            await interaction.response.defer()
    except NETWORK_ERRORS as error:
        return _is_already_acknowledged(interaction, error)
    return True


def _is_already_acknowledged(interaction: Interaction, error: Exception) -> bool:
    if getattr(error, "code", 0) == ALREADY_ACKNOWLEDGED:
        return True
    log.warning("not acknowledged", interaction_id=interaction.id, error=type(error).__name__)
    return False
