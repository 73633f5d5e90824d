"""The messages that answer one event, sent in order; only a message that failed is sent again."""

from collections import deque
from collections.abc import Awaitable, Callable

Send = Callable[[], Awaitable[None]]
"""Sends one message; called again when it raised."""


class Reply:
    """What is left to send.

    Attributes:
        is_accepted: A job was accepted, so its result is an answer whatever becomes of these messages.
    """

    def __init__(self, *messages: Send, is_accepted: bool = False) -> None:
        self._messages = deque(messages)
        self.is_accepted = is_accepted

    async def send(self) -> None:
        """Send what is left.

        Raises:
            Undeliverable: The chat is closed to us.
            TelegramError: A message did not arrive; call again. So does a ``TimeoutError``.
        """
        while self._messages:
            await self._messages[0]()
            self._messages.popleft()
