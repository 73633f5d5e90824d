"""The seam between a platform and the application: what a chat gets, and what it must do.

A chat translates in (message → ``Command`` and ``CommandContext``), asks the desk, and translates out
(``Outcome``, ``Status``, ``JobResult`` or error → message, its sentences from ``bot.messages``). It holds no
state that the database lacks.
"""

from collections.abc import Sequence
from typing import Protocol

from bot.commands.values import Command
from bot.outcomes import (
    Address,
    CommandContext,
    JobResult,
    LoraSummary,
    Outcome,
    PictureFile,
    Platform,
    Status,
)


class Chat(Protocol):
    """One platform, from the application's side."""

    platform: Platform

    async def open(self) -> None:
        """Connect and declare the commands.

        Raises:
            OperatorError: TokenRefused, PlatformUnreachable or PortTaken; the host must act.
        """

    async def serve(self) -> None:
        """Take messages until cancelled."""

    async def close(self) -> None:
        """Disconnect; called once, also after a failed ``open``."""

    async def show(self, status: Status) -> None:
        """Update the placeholder; may be skipped when the platform's rate does not allow it."""

    async def deliver(self, result: JobResult) -> None:
        """Bring an ended job to its person, by editing the placeholder where there is one.

        Raises:
            Undeliverable: It can never arrive there.
            NotNow: The platform says when to try again. Any other error means: later.
        """


class Desk(Protocol):
    """The application, from a chat's side."""

    async def handle(self, command: Command, context: CommandContext) -> Outcome:
        """Do what was asked. When this returns a ``Receipt``, the job survives any crash.

        An event that was taken in and not settled is carried out once: handled again, after a crash or a
        failed send, it gets the same answer. A repeated ``Receipt`` says so.

        Raises:
            PersonError: Refused; nothing was charged or changed. The same each time, but for ``CannotSave``.
        """

    async def store_placeholder(self, job_id: str, address: Address) -> None:
        """Store where the job's placeholder now is."""

    async def migrate_chat(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        """The platform gave a chat another id: its permission, default LoRA, jobs and results follow."""

    async def placeholder_of(self, job_id: str) -> Address | None:
        """The address that ``store_placeholder`` last stored; None for an unknown job."""

    async def keep_file_id(
        self, platform: Platform, job_id: str, picture: PictureFile, form: str, file_id: str
    ) -> None:
        """Remember how the platform names a picture it was sent as ``form``: ``photo`` or ``document``."""

    async def file_ids(
        self, platform: Platform, job_ids: Sequence[str], form: str
    ) -> dict[tuple[str, int], str]:
        """How the platform names the pictures of these jobs, by job and index, sent as ``form``."""

    def suggest_loras(self, typed: str, locale: str) -> tuple[LoraSummary, ...]:
        """At most 25 LoRAs that match what was typed so far, best first; answered from memory."""

    async def store_events(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        """Store raw events (id, JSON) before they are confirmed to the platform; known ids are skipped."""

    async def pending_events(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        """The stored events that were not settled yet, oldest first."""

    async def finish_event(self, platform: Platform, event_id: str) -> None:
        """Call it after the answer was sent: the event is not handled again, and its answer is forgotten."""
