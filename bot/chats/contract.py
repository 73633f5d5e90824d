"""The interfaces between a platform and the application.

A chat translates each message into a ``Command`` and a ``CommandContext``, calls the desk, and translates the
``Outcome``, ``Status``, ``JobResult`` or error into a message with sentences from ``bot.messages``. It has no
state that the database lacks.
"""

from collections.abc import Sequence
from typing import Protocol

from bot.commands.values import Command
from bot.outcomes import (
    Address,
    ChatOutput,
    CommandContext,
    LoraAdding,
    LoraSummary,
    MessagesLeft,
    Outcome,
    OwnPicture,
    PictureFile,
    PictureMessage,
    Platform,
)


class Chat(ChatOutput, Protocol):
    """One platform, as the application sees it."""

    platform: Platform

    @property
    def is_connected(self) -> bool:
        """Whether the platform reaches the bot now; only asked while the chat is open."""

    async def open(self) -> None:
        """Connect and declare the commands.

        Raises:
            OperatorError: TokenRefused, PlatformUnreachable or PortTaken.
        """

    async def serve(self) -> None:
        """Handle messages until cancelled."""

    async def close(self) -> None:
        """Disconnect. The application calls it once, also after a failed ``open``."""


class Desk(Protocol):
    """The application, as a chat sees it."""

    async def handle(self, command: Command, context: CommandContext) -> Outcome:
        """Carry out a command. When this returns a ``Receipt``, the job survives any crash.

        A stored event is carried out once: if the chat handles it again, after a crash or a failed send, it
        gets the same answer. A repeated ``Receipt`` is marked as such.

        Raises:
            PersonError: A refusal; nothing is charged or changed. A repeated event gets the same one, except
                for ``CannotSave``.
        """

    async def store_placeholder(self, job_id: str, address: Address) -> None:
        """Store the address of the job's placeholder message."""

    async def migrate_chat(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        """Move a chat's permission, default LoRA, jobs and results to the new id from the platform."""

    async def placeholder_of(self, job_id: str) -> Address | None:
        """The address that ``store_placeholder`` last stored; None for an unknown job."""

    async def keep_file_id(
        self, platform: Platform, job_id: str, picture: PictureFile, form: str, file_id: str
    ) -> None:
        """Store the platform's id of a picture that was sent as ``form``: ``photo`` or ``document``."""

    async def file_ids(
        self, platform: Platform, job_ids: Sequence[str], form: str
    ) -> dict[tuple[str, int], str]:
        """The platform's ids of these jobs' pictures that were sent as ``form``, by job and index."""

    async def keep_messages(self, messages: Sequence[PictureMessage]) -> None:
        """Store which pictures these messages show, so that a reply or a deletion finds them."""

    async def find_message(self, platform: Platform, chat_id: str, message_id: str) -> PictureMessage | None:
        """What a message shows; None if it shows no picture of a job."""

    async def delete_messages(self, job_id: str) -> MessagesLeft:
        """Let every chat delete its messages of a deleted job, and return what people still see of it.

        Call it after ``handle`` returned ``Deleted``. It takes some seconds at most.
        """

    async def find_own(
        self, search: str, context: CommandContext, form: str, page: int = 1
    ) -> tuple[OwnPicture, ...]:
        """The person's own pictures that the platform has as ``form``, newest first, without private ones.

        Words of ``search`` are compared as ``/mine`` compares them. A page covers 25 jobs.
        """

    def progress_of(self, context: CommandContext) -> LoraAdding | None:
        """How far a command that takes long is; this reads only memory. None: no progress is known."""

    def suggest_loras(self, typed: str, context: CommandContext) -> tuple[LoraSummary, ...]:
        """At most 25 LoRAs that this person may use and that match, best first; this reads only memory."""

    def suggest_presets(self, typed: str, context: CommandContext) -> tuple[str, ...]:
        """The names of the person's presets that contain the text; this reads only memory."""

    def locale_of(self, context: CommandContext) -> str:
        """The person's own language, else that of the chat, else that of the platform; reads only memory.

        What everybody in a server reads is in the language of the chat, else of the server, if one is known.
        """

    def tier_groups(self, platform: Platform) -> tuple[str, ...]:
        """The groups of a platform whose members are in a tier, as ``platform:id``; reads only memory."""

    def hosts(self, platform: Platform) -> tuple[str, ...]:
        """The user ids of those who are hosts on a platform now; this reads only memory."""

    def wants_private(self, command: Command, context: CommandContext) -> bool:
        """Whether the person alone is to see the answer to a request for pictures; this reads only memory."""

    async def store_events(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        """Store raw events (id, JSON) before the chat confirms them to the platform; skip known ids."""

    async def pending_events(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        """The stored events that are not finished, oldest first."""

    async def finish_event(self, platform: Platform, event_id: str) -> None:
        """Delete the event's stored answer and never handle it again; call this after the answer was sent."""
