"""Placeholders on their way: a picture may be drawn faster than its placeholder is sent.

Where the desk's address has no message yet, delivery asks here, so that the picture lands on the placeholder
and not beside it. After a crash it is also the other way round: a result may be on its way while the message
that asked for it waits to be answered again, and then needs no placeholder. Of use within one process only;
after a crash the desk's addresses are all there is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.chats.telegram_.place import Place

REMEMBERED = 64  # jobs beside those on their way; only those of the last moments are ever asked for


class Placing:
    """Knows which placeholders are being sent, and where the last ones went."""

    def __init__(self) -> None:
        self._places: dict[str, asyncio.Future[Place | None]] = {}
        self._cancelled: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, job_id: str) -> AsyncIterator["asyncio.Future[Place | None]"]:
        """While the block runs, the job's first message is on its way; set the result to where it stands."""
        self._places.pop(job_id, None)  # a second try is remembered as long as a first
        arrived = [each for each, place in self._places.items() if place.done()]
        for each in arrived[: max(0, len(arrived) + 1 - REMEMBERED)]:
            del self._places[each]
        place = self._places[job_id] = asyncio.get_running_loop().create_future()
        try:
            yield place
        finally:
            if not place.done():
                place.set_result(None)  # it was not sent, or the desk's address has it

    def is_on_its_way(self, job_id: str) -> bool:
        """Whether somebody is about to send the job's first message."""
        place = self._places.get(job_id)
        return place is not None and not place.done()

    def cancelled_by_word(self, job_id: str, chat_id: int) -> None:
        """A ``/cancel`` typed in this chat is answered there, so the placeholder has nothing to add."""
        self._cancelled[job_id] = chat_id
        for each in list(self._cancelled)[:-REMEMBERED]:
            del self._cancelled[each]

    def is_told(self, job_id: str, chat_id: int) -> bool:
        """Whether an answer in this chat says already that the job is cancelled."""
        return self._cancelled.get(job_id) == chat_id

    async def arrived(self, job_id: str, place: Place) -> Place:
        """The place with the placeholder that was on its way, once it arrived; else ``place`` as it is."""
        if place.message_id is not None or job_id not in self._places:
            return place
        return await asyncio.shield(self._places[job_id]) or place
