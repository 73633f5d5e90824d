"""Sends one message: edits an answer, or sends to a channel or directly to a person.

``as_plain_text`` makes text of people harmless: it causes no markdown, no mention and no link preview.
"""

import asyncio
import re
from typing import Any

import aiohttp
import discord
import structlog

from bot import messages
from bot.chats.discord_.library_internals import response_webhook
from bot.chats.discord_.outgoing.address import AnswerAddress, Response, SentMessage
from bot.chats.discord_.outgoing.layout import CALL_TIMEOUT_S, OutgoingMessage

log = structlog.get_logger()
MAX_CHARS = 1960  # Discord accepts 2000; the rest is for the mention of a person
NO_MENTIONS = discord.AllowedMentions.none()
MAY_NOT_REPLY = 160002  # the bot has no permission to read the message history
NETWORK_ERRORS = (discord.HTTPException, aiohttp.ClientError, TimeoutError)
GONE = 404
CLOSED_STATUSES = frozenset({403, GONE})  # no permission, or the message, channel or person is gone
RESPONSE_CLOSED_STATUSES = CLOSED_STATUSES | {401}  # the token expired; elsewhere 401 means the bot's token
_TIME = re.compile(r"\\<(t:\d{1,12}:[fR]>)")  # a time as ``bot.messages`` writes it for Discord


class MessageSender:
    """Sends and edits the messages of one client."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def edit(self, address: AnswerAddress, message: OutgoingMessage) -> None:
        """Replace everything that the answer shows by this message.

        Raises:
            discord.HTTPException: The answer cannot be edited, now or at all.
            TimeoutError: It is unknown whether the edit arrived; an edit can be repeated.
        """
        target = address.target
        async with asyncio.timeout(message.timeout_s):
            if isinstance(target, Response):
                webhook = response_webhook(self._client, target.application_id, target.token)
                await webhook.edit_message(target.message_id, **_edit_fields(message))
            elif isinstance(target, SentMessage):
                channel = self._client.get_partial_messageable(address.channel_id)
                await channel.get_partial_message(target.message_id).edit(**_edit_fields(message))
            else:
                raise ValueError("a message that is not sent cannot be edited")

    async def try_edit(self, address: AnswerAddress, message: OutgoingMessage, subject: str) -> bool:
        """Edit the answer; False if it can never be edited again. ``subject`` is the job or event, for logs.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble.
        """
        closed = CLOSED_STATUSES if address.is_message else RESPONSE_CLOSED_STATUSES
        try:
            await self.edit(address, message)
        except discord.HTTPException as error:
            _raise_unless_closed(error, closed, "edit", subject)
            return False
        return True

    async def edit_outdated_response(
        self, address: AnswerAddress, now_ms: int, locale: str, job_id: str
    ) -> AnswerAddress:
        """Let the response that this message continues show that the answer moved, if it must and can.

        Returns:
            The address without the outdated response.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble.
        """
        response = address.outdated_response(now_ms)
        if response is None:
            return address
        text = as_plain_text(messages.continued_below(locale))
        await self.try_edit(response, OutgoingMessage(text), job_id)
        return address.with_outdated_response_edited()

    async def send(
        self, address: AnswerAddress, message: OutgoingMessage, nonce: str
    ) -> AnswerAddress | None:
        """Send an ordinary message to the channel of the address; the same nonce again sends nothing new.

        A reply to a person's message mentions nobody; a message that continues a response mentions its
        person.

        Discord remembers a nonce for some minutes and then answers with the message that it has; that message
        is edited if it shows something else.

        Returns:
            The address of the message; None if the bot may not write there.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble. The same nonce
                makes it safe to try again.
        """
        reply_to = address.reply_to
        while True:
            try:
                return address.sent_as(await self._send(address, message, nonce, reply_to))
            except discord.HTTPException as error:
                if error.code != MAY_NOT_REPLY or not reply_to:
                    _raise_unless_closed(error, CLOSED_STATUSES, "send", nonce)
                    return None
            reply_to = 0

    async def send_direct_message(
        self, address: AnswerAddress, message: OutgoingMessage, nonce: str
    ) -> AnswerAddress | None:
        """Send a direct message to the person; None if they accept none. Raises like ``send``."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                channel = await self._client.create_dm(discord.Object(address.user_id))
        except discord.HTTPException as error:
            _raise_unless_closed(error, CLOSED_STATUSES, "direct", nonce)
            return None
        return await self.send(address.unsent_direct(channel.id), message, nonce)

    async def delete(self, channel_id: int, message_id: int, subject: str) -> bool:
        """Delete one of the bot's messages; False if the bot may not do it there. Raises like ``send``."""
        channel = self._client.get_partial_messageable(channel_id)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await channel.get_partial_message(message_id).delete()
        except discord.HTTPException as error:
            _raise_unless_closed(error, CLOSED_STATUSES, "delete", subject)
            return error.status == GONE
        return True

    async def _send(self, address: AnswerAddress, message: OutgoingMessage, nonce: str, reply_to: int) -> int:
        """Send a message, or update the message that Discord already has for this nonce; return its id."""
        channel = self._client.get_partial_messageable(address.channel_id)
        options: dict[str, Any] = {"nonce": nonce, "allowed_mentions": NO_MENTIONS}
        mention = ""
        if reply_to:
            question = channel.get_partial_message(reply_to)
            options["reference"] = question.to_reference(fail_if_not_exists=False)
        else:
            mention = f"<@{address.user_id}>"
            person = discord.Object(address.user_id)
            options["allowed_mentions"] = discord.AllowedMentions(
                everyone=False, roles=False, users=[person], replied_user=False
            )
        async with asyncio.timeout(message.timeout_s):
            sent = await channel.send(files=message.files(), view=message.view(mention), **options)
            if not message.is_shown_by(sent, mention):
                await sent.edit(**_edit_fields(message, mention))
        return sent.id


def as_plain_text(text: str) -> str:
    """The text as it reads, whatever people wrote in it; cut to the length of one message."""
    kept, escaped = len(text), _escape(text)
    while len(escaped) > MAX_CHARS:
        kept = kept * MAX_CHARS // len(escaped)  # always fewer than before
        escaped = _escape(text[:kept].rstrip() + "…")
    return escaped


def error_summary(error: BaseException) -> str:
    """The error without its message: a library's message may repeat text of people."""
    status, code = getattr(error, "status", ""), getattr(error, "code", "")
    return f"{type(error).__name__} {status} {code}".strip()


def _raise_unless_closed(
    error: discord.HTTPException, closed: frozenset[int], way: str, subject: str
) -> None:
    if error.status not in closed:
        raise error
    log.info("way closed", way=way, about=subject, error=error_summary(error))


def _edit_fields(message: OutgoingMessage, mention: str = "") -> dict[str, Any]:
    """The arguments of an edit that replaces everything, also the text of a classic message."""
    return {
        "content": None,
        "attachments": message.files(),
        "view": message.view(mention),
        "allowed_mentions": NO_MENTIONS,
    }


def _escape(text: str) -> str:
    """Take every meaning for Discord out of the text, except from times of ours.

    discord.py's own escapes leave links behind names, emoji and addresses.
    """
    unlinked = text.replace("](", "]\u200b(").replace("://", ":\u200b//")
    escaped = discord.utils.escape_mentions(discord.utils.escape_markdown(unlinked, ignore_links=False))
    return _TIME.sub(r"<\1", escaped.replace("<", "\\<"))
