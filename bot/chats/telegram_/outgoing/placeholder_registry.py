"""The registry of placeholders that are being sent. It stores nothing: after a crash the desk knows all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.chats.telegram_.address import ChatAddress

MAX_REMEMBERED_JOBS = 64  # beside those being sent; only jobs of the last moments are ever looked up


class PlaceholderRegistry:
    """Knows which placeholders are being sent, and the addresses of the last ones.

    A picture can be drawn faster than its placeholder is sent. While the desk has no message id for a job,
    delivery asks here and puts the picture on the placeholder instead of beside it. After a crash the
    opposite can happen: the result is being sent while the request for it is handled again. That request then
    needs no placeholder.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, asyncio.Future[ChatAddress | None]] = {}
        self._typed_cancels: dict[str, int] = {}

    @asynccontextmanager
    async def sending(self, job_id: str) -> AsyncIterator["asyncio.Future[ChatAddress | None]"]:
        """Mark the job's first message as being sent while the block runs.

        Yields:
            A future. The block sets it to the address of the message once it is sent.
        """
        self._addresses.pop(job_id, None)  # puts a second try at the end of the order
        finished = [each for each, address in self._addresses.items() if address.done()]
        for each in finished[: max(0, len(finished) + 1 - MAX_REMEMBERED_JOBS)]:
            del self._addresses[each]
        address = self._addresses[job_id] = asyncio.get_running_loop().create_future()
        try:
            yield address
        finally:
            if not address.done():
                address.set_result(None)  # it was not sent, or the desk has its address

    def is_being_sent(self, job_id: str) -> bool:
        """Whether a task is sending the job's first message."""
        address = self._addresses.get(job_id)
        return address is not None and not address.done()

    async def wait_for_placeholder(self, job_id: str, address: ChatAddress) -> ChatAddress:
        """Wait for a placeholder that is being sent.

        Returns:
            The address with the placeholder, or ``address`` unchanged if none is known here. Private
            pictures that are published have their placeholder in another chat.
        """
        if address.message_id is not None or job_id not in self._addresses:
            return address
        found = await asyncio.shield(self._addresses[job_id])
        return found if found is not None and found.chat_id == address.chat_id else address

    def record_typed_cancel(self, job_id: str, chat_id: int) -> None:
        """Remember that the answer to a typed ``/cancel`` in this chat already names the job."""
        self._typed_cancels[job_id] = chat_id
        for each in list(self._typed_cancels)[:-MAX_REMEMBERED_JOBS]:
            del self._typed_cancels[each]

    def was_cancelled_by_text(self, job_id: str, chat_id: int) -> bool:
        """Whether an answer in this chat already says that the job is cancelled."""
        return self._typed_cancels.get(job_id) == chat_id
