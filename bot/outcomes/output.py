"""What the desk needs of a chat."""

from collections.abc import Sequence
from typing import Protocol

from bot.outcomes.hosting.alerts import Alert
from bot.outcomes.jobs import JobResult, PictureMessage, Status
from bot.outcomes.loras import OwnerReport


class RetryLater(Exception):
    """The platform accepts nothing for ``after_s`` seconds; the desk delivers the result after that."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """The address can never receive this result; the desk keeps it for ``/mine``."""


class ChatOutput(Protocol):
    """What the desk needs of a chat; ``bot.chats.contract.Chat`` extends it."""

    async def show(self, status: Status) -> None:
        """Update the placeholder message; the chat may skip updates to respect a rate limit."""

    async def deliver(self, result: JobResult) -> None:
        """Deliver the result of an ended job; edit the placeholder message if there is one.

        Raises:
            Undeliverable: It can never reach this address.
            RetryLater: The platform names the time of the next try. After any other error, the desk backs
                off.
        """

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        """Delete messages of a deleted job, or what they show of it; return those that cannot be changed.

        Any error means that the platform does not answer now; the desk asks again.
        """

    async def send_report(self, report: OwnerReport) -> None:
        """Send a report to a person's private chat. Raises as ``deliver``."""

    async def send_alert(self, alert: Alert) -> None:
        """Send an alert to a host's private chat. Raises as ``deliver``."""
