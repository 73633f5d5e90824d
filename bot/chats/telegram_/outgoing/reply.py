"""The messages that answer one update."""

from collections import deque
from collections.abc import Awaitable, Callable

SendStep = Callable[[], Awaitable[None]]
"""Sends one message; ``Reply.send`` calls it again after an error."""


class Reply:
    """The messages that answer one update, sent in order; only a message that failed is sent again.

    Attributes:
        is_accepted: The desk accepted a job, so its result is an answer even if these messages fail.
    """

    def __init__(self, *steps: SendStep, is_accepted: bool = False) -> None:
        self._steps = deque(steps)
        self.is_accepted = is_accepted

    def add(self, step: SendStep) -> None:
        """Send one more message after the others."""
        self._steps.append(step)

    async def send(self) -> None:
        """Send the messages that are left.

        Raises:
            Undeliverable: The chat is closed to the bot.
            TelegramError, TimeoutError: A message did not arrive; call again.
        """
        while self._steps:
            await self._steps[0]()
            self._steps.popleft()
