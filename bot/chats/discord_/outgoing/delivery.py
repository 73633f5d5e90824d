"""Answers to commands and results of jobs, each by the first way that is open.

The ways are: edit the answer, send an ordinary message in the channel, send a direct message. Every way can
be repeated and shows the result once: an edit by its nature, a message by its nonce, which is the job id.

A result that comes after the twelfth minute of its response goes to an ordinary message, because that message
may already exist while only the news of it was lost.

A job that was deleted meanwhile ends the message that shows its progress. If that is gone or was never sent,
nothing new is sent.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.limits import RefusalCounter
from bot.chats.discord_.outgoing.address import (
    CAN_BE_EDITED,
    DEFAULT_FILE_BYTES,
    NO_RESPONSE,
    AnswerAddress,
    AnswerState,
    Response,
    SentMessage,
    UnsentMessage,
)
from bot.chats.discord_.outgoing.composing import compose_outcome, compose_result
from bot.chats.discord_.outgoing.layout import OutgoingMessage
from bot.chats.discord_.outgoing.placeholders import Placeholders
from bot.chats.discord_.outgoing.sender import MessageSender, as_plain_text
from bot.monitoring.figures import FALLBACKS
from bot.outcomes import (
    Alert,
    Deleted,
    JobResult,
    Originals,
    Outcome,
    OwnerReport,
    PickedPicture,
    PictureMessage,
    Platform,
    Undeliverable,
    controls_of,
)

log = structlog.get_logger()
TOO_LARGE = 413
SMALLER = 4  # the second try's share of the limit
Shown = TypeVar("Shown")


class AnswerDelivery:
    """Sends the answers and results of one connection.

    Args:
        refusals: Holds results back while Discord refuses too much.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        sender: MessageSender,
        desk: Desk,
        placeholders: Placeholders,
        refusals: RefusalCounter,
        clock: Callable[[], int],
    ) -> None:
        self._sender = sender
        self._desk = desk
        self._placeholders = placeholders
        self._refusals = refusals
        self._clock = clock

    async def show_outcome(
        self, outcome: Outcome, address: AnswerAddress, locale: str, event_id: str
    ) -> None:
        """Answer a command with its outcome; what was deleted also goes from its channels. Raises alike."""
        if isinstance(outcome, Deleted):
            outcome = replace(outcome, left=await self._desk.delete_messages(outcome.job_id))
        message = await compose_outcome(outcome, locale, address.file_bytes)
        shown = await self._answer(message, address, locale, event_id)
        if shown is not None and isinstance(outcome, PickedPicture | Originals):
            await self._keep_message(shown, outcome.job_id)

    async def answer(self, text: str, address: AnswerAddress, locale: str, event_id: str) -> None:
        """Answer by the first way that is open; the event id is the nonce that shows a repeated answer once.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; nothing was shown.
        """
        await self._answer(OutgoingMessage(as_plain_text(text)), address, locale, event_id)

    async def _answer(
        self, message: OutgoingMessage, address: AnswerAddress, locale: str, event_id: str
    ) -> AnswerAddress | None:
        """Answer as ``answer`` does; return where the answer is, None if no way is open."""
        new = address.unsent()
        can_be_edited = address.state_at(self._clock()) in CAN_BE_EDITED
        if can_be_edited and await self._sender.try_edit(address, message, event_id):
            return address
        if address.can_move_to_channel and (sent := await self._sender.send(new, message, event_id)):
            return sent
        if address.is_message:
            here = as_plain_text(messages.answered_in_direct_message(locale))
            message = replace(message, text=f"{here}\n{message.text}")
        direct = await self._sender.send_direct_message(new, message, event_id)
        if direct is None:
            log.warning("answer closed", event_id=event_id)
        return direct

    async def deliver(self, result: JobResult) -> None:
        """Deliver the result by the first way that is open.

        Raises:
            Undeliverable: No way is open, and none will be.
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; try again later.
        """
        await self._placeholders.stop_edits(result.job_id)
        self._refusals.check()
        # The placeholder may have moved after the result was made.
        known = self._placeholders.remove(result.job_id)
        address = known or _address_of(result)
        if result.is_deleted:
            await self._show_deleted(address, result, was_tried=known is not None)
            return
        is_private = address.is_private or result.private
        may_attach = not address.is_message or address.may_attach or not result.pictures
        is_direct = not may_attach or _would_leak(address, result)
        must_move = address.state_at(self._clock()) in (AnswerState.EXPIRING, AnswerState.UNSENT)
        may_move = must_move and address.can_move_to_channel and not is_private
        if may_move and (moved := await self._send_caption(address, result)):
            FALLBACKS.labels("discord", "channel").inc()
            address = moved
        if address.state_at(self._clock()) in CAN_BE_EDITED and not is_direct:
            # First, because an earlier attempt may have left the pictures in the response.
            await self._sender.edit_outdated_response(address, self._clock(), result.locale, result.job_id)
            if await self._show_whole(
                result, address.file_bytes, lambda it: self._sender.try_edit(address, it, result.job_id)
            ):
                if result.pictures:
                    await self._keep_message(address, result.job_id)
                return
        await self._send_new(address, result, is_direct=is_direct or is_private)

    async def _show_deleted(self, address: AnswerAddress, result: JobResult, *, was_tried: bool) -> None:
        """Let the message that shows the job's progress say that it is deleted; without one, send none."""
        job_id, state = result.job_id, address.state_at(self._clock())
        # The bot may have sent a message to the channel without reading Discord's confirmation.
        may_be_lost = state is AnswerState.EXPIRING or (state is AnswerState.UNSENT and was_tried)
        may_move = may_be_lost and address.can_move_to_channel and not _would_leak(address, result)
        if may_move and (moved := await self._send_caption(address, result)):  # the nonce finds it
            address = moved
        if address.state_at(self._clock()) in CAN_BE_EDITED:
            await self._sender.edit_outdated_response(address, self._clock(), result.locale, job_id)
            if await self._sender.try_edit(address, await compose_result(result, 0), job_id):
                return
        if left := address.left_in_channel():
            await self._sender.try_edit(left, await compose_result(result, 0), job_id)

    async def send_report(self, report: OwnerReport) -> None:
        """Send a report as a direct message; Discord shows a repetition within some minutes once.

        Raises:
            Undeliverable: The person takes no direct messages.
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; try again later.
        """
        text = as_plain_text(messages.format_owner_report(report, report.locale))
        message = OutgoingMessage(text, others=messages.owner_report_buttons(report))
        await self._send_directly(report.user_id, message, f"report {report.id}")

    async def send_alert(self, alert: Alert) -> None:
        """Send an alert as a direct message, as ``send_report``."""
        message = OutgoingMessage(as_plain_text(messages.format_alert(alert, alert.locale)))
        await self._send_directly(alert.user_id, message, f"alert {alert.id}")

    async def _send_directly(self, user_id: str, message: OutgoingMessage, nonce: str) -> None:
        self._refusals.check()
        address = AnswerAddress(NO_RESPONSE, int(user_id), 0, is_private=True)
        if not await self._sender.send_direct_message(address, message, nonce):
            raise Undeliverable("its person takes no direct messages")

    async def _send_new(self, address: AnswerAddress, result: JobResult, *, is_direct: bool) -> None:
        """Send the result as a new message, in the channel if it may, else directly to the person."""
        new, job_id = address.unsent(), result.job_id
        may_send_to_channel = bool(address.channel_id) and not is_direct
        if may_send_to_channel and (
            sent := await self._show_whole(
                result, DEFAULT_FILE_BYTES, lambda it: self._sender.send(new, it, job_id)
            )
        ):
            FALLBACKS.labels("discord", "channel").inc()
            await self._store_address(sent, result)
            return
        sent = await self._show_whole(
            result, DEFAULT_FILE_BYTES, lambda it: self._sender.send_direct_message(new, it, job_id)
        )
        if isinstance(address.target, SentMessage) or _would_leak(address, result):
            await self._show_where(address, result, is_sent=sent is not None)
        if sent is not None and not is_direct:
            FALLBACKS.labels("discord", "direct").inc()
        if sent is None:
            raise Undeliverable(f"job {result.job_id}: neither its channel nor its person takes messages")
        await self._store_address(sent, result)

    async def _show_where(self, address: AnswerAddress, result: JobResult, *, is_sent: bool) -> None:
        """Let the placeholder say that its pictures went to the person alone, or nowhere."""
        locale = result.locale
        text = messages.sent_as_direct_message(locale) if is_sent else messages.pictures_not_allowed(locale)
        if is_sent and _would_leak(address, result):
            text = messages.answered_in_private_chat(locale)
        if address.state_at(self._clock()) in CAN_BE_EDITED:
            await self._sender.try_edit(address, OutgoingMessage(as_plain_text(text)), result.job_id)

    async def _send_caption(self, address: AnswerAddress, result: JobResult) -> AnswerAddress | None:
        """Move the answer to a message without pictures; the pictures follow as an edit.

        A message that is sent again after Discord forgot its nonce shows twice; an edit never does.
        """
        text = as_plain_text(messages.format_caption(result, result.locale))
        message = OutgoingMessage(text, controls=controls_of(result), locale=result.locale)
        sent = await self._sender.send(address, message, result.job_id)
        if sent is not None:
            await self._store_address(sent, result)
        return sent

    async def _show_whole(
        self, result: JobResult, file_bytes: int, show: Callable[[OutgoingMessage], Awaitable[Shown]]
    ) -> Shown:
        """Show the result with its pictures as large as Discord takes them; at last, without pictures.

        Discord may refuse less than it promised, because the limit depends on the server and may change.
        """
        for limit_bytes in (file_bytes, file_bytes // SMALLER):
            try:
                return await show(await compose_result(result, limit_bytes))
            except discord.HTTPException as error:
                if error.status != TOO_LARGE:
                    raise
                log.warning("pictures refused as too large", job_id=result.job_id, limit_bytes=limit_bytes)
        return await show(await compose_result(result, 0))

    async def delete_messages(self, shown: Sequence[PictureMessage]) -> tuple[PictureMessage, ...]:
        """Delete messages that show a job's pictures; return those that the bot cannot delete.

        Raises:
            discord.HTTPException, aiohttp.ClientError, TimeoutError: Discord has trouble; try again later.
        """
        return tuple([each for each in shown if not await self._is_deleted(each)])

    async def _is_deleted(self, shown: PictureMessage) -> bool:
        """Delete a message; False for one that its person alone sees: Discord lets nobody delete it later."""
        if not shown.chat_id:
            return False
        return await self._sender.delete(int(shown.chat_id), int(shown.message_id), shown.job_id)

    async def _store_address(self, sent: AnswerAddress, result: JobResult) -> None:
        """Store where the result is, so the next attempt edits that message."""
        await self._desk.store_placeholder(result.job_id, replace(result.address, ref=sent.to_json()))
        if result.pictures:
            await self._keep_message(sent, result.job_id)

    async def _keep_message(self, address: AnswerAddress, job_id: str) -> None:
        """Store that a message shows pictures of a job, so that it can be deleted, or counted at least."""
        message_id = 0 if isinstance(address.target, UnsentMessage) else address.target.message_id
        is_ephemeral = address.is_private and isinstance(address.target, Response)
        chat_id = "" if is_ephemeral else str(address.channel_id)
        if message_id:
            shown = PictureMessage(Platform.DISCORD, chat_id, str(message_id), job_id)
            await self._desk.keep_messages([shown])


def _would_leak(address: AnswerAddress, result: JobResult) -> bool:
    """Whether the answer of a private job is open to others: the desk asks for none, and none may show it."""
    return result.private and address.is_shared and not address.is_private


def _address_of(result: JobResult) -> AnswerAddress:
    """Where the result goes; the address of a result that was kept for ``/mine`` has only the channel."""
    if result.address.ref:
        return AnswerAddress.from_json(result.address.ref)
    channel_id, user_id = int(result.address.chat_id or 0), int(result.user_id)
    return AnswerAddress(NO_RESPONSE, user_id, channel_id, is_private=result.private)
