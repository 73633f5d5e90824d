"""A message on its way out, and the three ways to send it: edit an answer, post in a channel, write directly.

Everything a person wrote is made harmless here: no markdown, no mention, no link preview comes of it.
"""

import asyncio
import io
import re
from dataclasses import dataclass, replace
from typing import Any

import discord

from bot import messages
from bot.chats.discord_.address import Ref
from bot.chats.discord_.enclose import Enclosure
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, Reroll

CALL_TIMEOUT_S = 30.0  # discord.py tries five times within 25 s when Discord has trouble
UPLOAD_TIMEOUT_S = 100.0  # 24 MiB at 2 Mbit/s
MAX_CHARS = 1960  # a message takes 2000; the rest is for the mention of a person
NOBODY = discord.AllowedMentions.none()
MAY_NOT_REPLY = 160002  # without the permission to read the message history
_TIME = re.compile(r"\\<(t:\d{1,12}:[fR]>)")  # a moment as ``words.moment`` writes it for Discord


@dataclass(frozen=True, slots=True)
class Letter:
    """What a message shows: text that is already ``plain``, files, and at most one button."""

    text: str
    enclosures: tuple[Enclosure, ...] = ()
    button: Cancel | Reroll | None = None
    locale: str = "en"

    def files(self) -> list[discord.File]:
        """The files, anew for each attempt: discord.py closes those it has sent."""
        return [
            discord.File(fp=io.BytesIO(one.data), filename=one.name, description=one.alt or None)
            for one in self.enclosures
        ]

    def view(self) -> discord.ui.View | None:
        """The button, for one attempt.

        The view is stopped at once, so that discord.py keeps nothing of it: a press is answered by what
        stands in the button, also after a restart.
        """
        if self.button is None:
            return None
        key = "cancel" if isinstance(self.button, Cancel) else "reroll"
        view = discord.ui.View(timeout=None)
        view.add_item(
            discord.ui.Button(label=messages.label(key, self.locale), custom_id=data_of(self.button))
        )
        view.stop()
        return view

    @property
    def timeout_s(self) -> float:
        """How long sending it may take."""
        return UPLOAD_TIMEOUT_S if self.enclosures else CALL_TIMEOUT_S


def plain(text: str) -> str:
    """The text as it reads, whatever people wrote in it; cut to what one message takes."""
    kept, said = len(text), _escaped(text)
    while len(said) > MAX_CHARS:
        kept = kept * MAX_CHARS // len(said)  # always fewer than before
        said = _escaped(text[:kept].rstrip() + "…")
    return said


async def edit(client: discord.Client, ref: Ref, letter: Letter) -> int:
    """Make the answer read as the letter does; what it showed before is replaced.

    Returns:
        The message's id.

    Raises:
        discord.HTTPException: The answer cannot be edited (now, or ever again).
        TimeoutError: Nobody knows whether it arrived; an edit can be repeated.
    """
    message: discord.PartialMessage | _Answer = _Answer(client, ref)
    if ref.posted:
        message = client.get_partial_messageable(ref.channel_id).get_partial_message(ref.message_id)
    async with asyncio.timeout(letter.timeout_s):
        await _rewrite(message, letter)
    return ref.message_id


async def post(client: discord.Client, ref: Ref, letter: Letter, nonce: str) -> int:
    """Send an ordinary message to the channel of ``ref``; the same nonce again sends nothing new.

    A reply to the person's message pings nobody; what continues an interaction mentions its person alone.

    Discord remembers a nonce for some minutes and then answers with the message it has, which is brought up
    to date where it says something else.

    Returns:
        The message's id.

    Raises:
        discord.HTTPException: With status 403 or 404 when the bot may not write there.
        TimeoutError: Nobody knows whether it arrived; the same nonce makes trying again safe.
    """
    channel = client.get_partial_messageable(ref.channel_id)
    addressed, mentioned = letter, NOBODY
    reply: dict[str, Any] = {}
    if ref.reply_to:
        reply = {
            "reference": channel.get_partial_message(ref.reply_to).to_reference(fail_if_not_exists=False)
        }
    else:
        addressed = replace(letter, text=f"<@{ref.user_id}> {letter.text}".rstrip())
        person = discord.Object(ref.user_id)
        mentioned = discord.AllowedMentions(everyone=False, roles=False, users=[person], replied_user=False)
    try:
        return await _send(channel, addressed, nonce, mentioned, reply)
    except discord.HTTPException as error:
        if error.code != MAY_NOT_REPLY or not ref.reply_to:
            raise
    return await post(client, replace(ref, reply_to=0), letter, nonce)


async def _send(
    channel: discord.PartialMessageable,
    letter: Letter,
    nonce: str,
    mentioned: discord.AllowedMentions,
    reply: dict[str, Any],
) -> int:
    """Send a message, or bring up to date the one that Discord has of this nonce."""
    async with asyncio.timeout(letter.timeout_s):
        message = await channel.send(
            content=letter.text,
            files=letter.files(),
            view=letter.view() or discord.utils.MISSING,
            nonce=nonce,
            allowed_mentions=mentioned,
            **reply,
        )
        if message.content != letter.text or len(message.attachments) != len(letter.enclosures):
            await _rewrite(message, letter)
    return message.id


async def direct_channel(client: discord.Client, user_id: int) -> int:
    """The id of the channel between the bot and this person.

    Raises:
        discord.HTTPException: The person does not exist or takes no messages.
        TimeoutError: Discord did not answer.
    """
    async with asyncio.timeout(CALL_TIMEOUT_S):
        channel = await client.create_dm(discord.Object(user_id))
    return channel.id


class _Answer:
    """An interaction's answer, edited with the token of its address."""

    def __init__(self, client: discord.Client, ref: Ref) -> None:
        self._webhook = discord.Webhook.partial(ref.application_id, ref.token, client=client)
        self._webhook.proxy = client.http.proxy  # which a partial webhook does not take over by itself
        self._message_id = ref.message_id

    async def edit(self, **shown: Any) -> None:
        await self._webhook.edit_message(self._message_id, **shown)


async def _rewrite(message: discord.Message | discord.PartialMessage | _Answer, letter: Letter) -> None:
    await message.edit(
        content=letter.text, attachments=letter.files(), view=letter.view(), allowed_mentions=NOBODY
    )


def _escaped(text: str) -> str:
    """The text without meaning to Discord, moments excepted.

    Its own escapes leave links behind names, emoji and addresses.
    """
    unlinked = text.replace("](", "]\u200b(").replace("://", ":\u200b//")
    said = discord.utils.escape_mentions(discord.utils.escape_markdown(unlinked, ignore_links=False))
    return _TIME.sub(r"<\1", said.replace("<", "\\<"))
