"""The placeholders of jobs: the answers that show a receipt, then the progress, until the result arrives.

Discord lets the bot edit a response for 15 minutes. A placeholder that still waits after 12 minutes moves to
an ordinary message of the bot, or says that the result will arrive as a direct message, so no placeholder
shows an outdated status. ``address`` shows the states.

Where others read along, a placeholder shows each stage of its job once: receipt, next, first half, second
half, stopping. With the result these are at most six edits. What it shows counts down by itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.outgoing.address import (
    MOVE_AFTER_MS,
    MUST_BE_SENT,
    AnswerAddress,
    AnswerState,
)
from bot.chats.discord_.outgoing.edit_throttle import EditThrottle
from bot.chats.discord_.outgoing.layout import OutgoingMessage
from bot.chats.discord_.outgoing.sender import (
    NETWORK_ERRORS,
    RESPONSE_CLOSED_STATUSES,
    MessageSender,
    as_plain_text,
    error_summary,
)
from bot.outcomes import Address, CancelAccepted, Control, Platform, Receipt, Status, controls_of

log = structlog.get_logger()
EDIT_TIMEOUT_S = 10.0  # a result waits no longer than this for a status edit in progress
CHECK_INTERVAL_S = 5.0  # for placeholders that must move; they have two minutes for it


class _Stage(Enum):
    """How far a job is, as coarsely as a placeholder shows it where others read along."""

    RECEIPT = auto()
    FURTHER_BACK = auto()
    NEXT = auto()
    FIRST_HALF = auto()
    SECOND_HALF = auto()
    STOPPING = auto()


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """What a placeholder shows, and where.

    Attributes:
        stored: Its address as the database has it.
        shown: The stages that it has shown.
    """

    stored: Address
    address: AnswerAddress
    text: str
    locale: str
    stage: _Stage
    controls: tuple[Control, ...]
    shown: frozenset[_Stage] = frozenset()

    @property
    def is_worth_an_edit(self) -> bool:
        """Whether people should see it now: always in a chat with the bot alone, and always a receipt."""
        if not self.address.is_shared or not self.shown or self.stage is _Stage.RECEIPT:
            return True
        return self.stage is not _Stage.FURTHER_BACK and self.stage not in self.shown


class Placeholders:
    """The placeholders of one connection.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self, sender: MessageSender, desk: Desk, throttle: EditThrottle, clock: Callable[[], int]
    ) -> None:
        self._sender = sender
        self._desk = desk
        self._throttle = throttle
        self._clock = clock
        self._placeholders: dict[str, _Placeholder] = {}

    async def show_receipt(self, receipt: Receipt, address: AnswerAddress, locale: str) -> None:
        """Show that the job is accepted, with a button to cancel it; returns when a first edit was tried.

        The receipt also says where the result will arrive if not here.
        """
        text = messages.format_outcome(receipt, locale, times="discord", now_s=self._clock() / 1_000)
        max_wait_s = receipt.wait.most_s if receipt.wait else 0
        if address.is_message and address.may_send and not address.may_attach:
            text = f"{text}\n{messages.direct_message_follows(locale)}"
        elif not (address.is_message or address.can_move_to_channel) and max_wait_s * 1_000 > MOVE_AFTER_MS:
            text = f"{text}\n{messages.answer_expires(locale)}"
        stored = Address(Platform.DISCORD, str(address.channel_id or ""), address.to_json())
        placeholder = _Placeholder(stored, address, text, locale, _Stage.RECEIPT, controls_of(receipt))
        self._schedule_edit(receipt.job_id, placeholder)
        await self._throttle.wait_for_first_edit(receipt.job_id)

    def show_stopping(self, asked: CancelAccepted) -> None:
        """Show that a running job stops after its current step."""
        known = self._placeholders.get(asked.job_id)
        if known is not None and asked.was_running:
            text = messages.format_outcome(asked, known.locale)
            self._schedule_edit(asked.job_id, replace(known, text=text, stage=_Stage.STOPPING))

    def show_status(self, status: Status) -> None:
        """Show the progress of a job as soon as the throttle allows."""
        address = AnswerAddress.from_json(status.address.ref)
        text = messages.format_status(status, status.locale, now_s=self._clock() / 1_000)
        text = f"{text}\n{messages.format_bar(status)}".rstrip()
        placeholder = _Placeholder(
            status.address, address, text, status.locale, _stage_of(status), controls_of(status)
        )
        self._schedule_edit(status.job_id, placeholder)

    async def move_expiring(self) -> None:
        """Move placeholders before Discord closes them, until cancelled."""
        while True:
            for job_id, placeholder in tuple(self._placeholders.items()):
                now_ms, address = self._clock(), placeholder.address
                if address.state_at(now_ms) in MUST_BE_SENT or address.outdated_response(now_ms):
                    self._schedule_edit(job_id, placeholder, is_due=True)
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def stop_edits(self, job_id: str) -> None:
        """Make no further edit of this job; returns when the edit in progress is over."""
        await self._throttle.end(job_id)

    def remove(self, job_id: str) -> AnswerAddress | None:
        """Forget the placeholder of this job; its address if it is an ordinary message."""
        placeholder = self._placeholders.pop(job_id, None)
        return placeholder.address if placeholder and placeholder.address.is_message else None

    def _schedule_edit(self, job_id: str, placeholder: _Placeholder, *, is_due: bool = False) -> None:
        known = self._placeholders.get(job_id)
        if known is not None:
            placeholder = replace(placeholder, shown=known.shown)
            if known.address.is_message:  # the status may be older than the move
                placeholder = replace(placeholder, stored=known.stored, address=known.address)
            if not (is_due or placeholder.is_worth_an_edit):
                self._placeholders[job_id] = placeholder  # a move, or an edit that waits, shows it
                return
        if self._throttle.schedule(job_id, partial(self._try_edit, job_id, placeholder)):
            self._placeholders[job_id] = placeholder

    async def _try_edit(self, job_id: str, placeholder: _Placeholder) -> bool:
        """Show the newest state of the placeholder; False if the answer can show nothing more."""
        try:
            async with asyncio.timeout(EDIT_TIMEOUT_S):
                return await self._edit(job_id, self._placeholders.get(job_id, placeholder))
        except NETWORK_ERRORS as error:
            log.debug("status not shown", job_id=job_id, error=error_summary(error))
            is_open = getattr(error, "status", 0) not in RESPONSE_CLOSED_STATUSES
        if not is_open:
            self._placeholders.pop(job_id, None)
        return is_open

    async def _edit(self, job_id: str, placeholder: _Placeholder) -> bool:
        address, state = placeholder.address, placeholder.address.state_at(self._clock())
        message = OutgoingMessage(
            as_plain_text(placeholder.text), controls=placeholder.controls, locale=placeholder.locale
        )
        if state in MUST_BE_SENT:
            return await self._move(job_id, placeholder, message, state)
        self._note_shown(job_id, placeholder.stage)  # first: a status that comes meanwhile must know
        await self._sender.edit(address, message)
        await self._edit_outdated_response(job_id, address, placeholder.locale)
        return True

    async def _move(
        self, job_id: str, placeholder: _Placeholder, message: OutgoingMessage, state: AnswerState
    ) -> bool:
        """Send the placeholder as a message; False if that is impossible, which it then shows if it can."""
        address, locale, moved = placeholder.address, placeholder.locale, None
        if address.can_move_to_channel:
            moved = await self._sender.send(address, message, job_id)
        if moved is None and state is AnswerState.UNSENT:
            text = as_plain_text(f"{messages.answered_in_direct_message(locale)}\n{placeholder.text}")
            moved = await self._sender.send_direct_message(address, replace(message, text=text), job_id)
        if moved is not None:
            stored = replace(placeholder.stored, ref=moved.to_json())
            newest = self._placeholders.get(job_id, placeholder)  # a newer status may have arrived meanwhile
            shown = newest.shown | {placeholder.stage}
            self._placeholders[job_id] = replace(newest, stored=stored, address=moved, shown=shown)
            await self._desk.store_placeholder(job_id, stored)
            await self._edit_outdated_response(job_id, moved, locale)
            return True
        self._placeholders.pop(job_id, None)
        if state is AnswerState.EXPIRING:
            text = as_plain_text(f"{placeholder.text}\n{messages.answer_expires(locale)}")
            await self._sender.edit(address, replace(message, text=text))
        return False

    def _note_shown(self, job_id: str, stage: _Stage) -> None:
        if placeholder := self._placeholders.get(job_id):
            self._placeholders[job_id] = replace(placeholder, shown=placeholder.shown | {stage})

    async def _edit_outdated_response(self, job_id: str, address: AnswerAddress, locale: str) -> None:
        """Let the response that this message continues show that the answer moved."""
        edited = await self._sender.edit_outdated_response(address, self._clock(), locale, job_id)
        if edited is not address and (placeholder := self._placeholders.get(job_id)):
            address = placeholder.address.with_outdated_response_edited()
            self._placeholders[job_id] = replace(placeholder, address=address)


def _stage_of(status: Status) -> _Stage:
    if status.position is not None:
        return _Stage.FURTHER_BACK if status.position else _Stage.NEXT
    is_late = 2 * (status.index * status.steps + status.step) > status.count * status.steps
    return _Stage.SECOND_HALF if is_late else _Stage.FIRST_HALF
