"""What one open page shows: the messages, the answers and the jobs of one browser session.

Entries are values, never sentences, so that the whole conversation can be said again in another language.
Nothing here outlives the page; what must last is in the desk's history.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from bot.desk.outcomes import History, Outcome, Parcel, PictureFile, Receipt, Status
from bot.errors import SugarbotError

MAX_ENTRIES = 120  # what a person scrolls back to; older ones are found with /mine


@dataclass(frozen=True, slots=True)
class Said:
    """A message as the person wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that is complete at once."""

    outcome: Outcome | SugarbotError


@dataclass(frozen=True, slots=True)
class Drawing:
    """A job on its way: each later fact takes the place of the earlier ones on the page."""

    job_id: str
    receipt: Receipt | None = None
    status: Status | None = None
    parcel: Parcel | None = None


Entry = Said | Answered | Drawing


class Conversation:
    """The page of one browser session.

    Args:
        chat_id: Gradio's session hash: long, random, and known to this page alone.
        locale: ``en`` or ``zh-CN``; may be set again at any time.
    """

    def __init__(self, chat_id: str, locale: str) -> None:
        self.chat_id = chat_id
        self.locale = locale
        self.entries: list[Entry] = []
        self._follower = 0
        self._version = 0
        self._moved = asyncio.Event()

    def say(self, text: str) -> None:
        """Add what the person wrote."""
        self._add(Said(text))

    def answer(self, outcome: Outcome | SugarbotError) -> None:
        """Add an answer; a receipt becomes (or completes) the entry of its job."""
        if isinstance(outcome, Receipt):
            self._put(replace(self._drawing(outcome.job_id), receipt=outcome))
        else:
            self._add(Answered(outcome))

    def show(self, status: Status) -> None:
        """Replace what is known of a job under way; ignored once it has ended."""
        drawing = self._drawing(status.job_id)
        if drawing.parcel is None:
            self._put(replace(drawing, status=status))

    def deliver(self, parcel: Parcel) -> None:
        """End a job; delivering again changes nothing."""
        self._put(replace(self._drawing(parcel.job_id), parcel=parcel))

    def picture(self, job_id: str, index: int) -> PictureFile | None:
        """A picture that this page shows, or None."""
        return next((p for p in self._pictures(job_id) if p.index == index), None)

    @property
    def is_waiting(self) -> bool:
        """Whether a job of this page has not ended."""
        return any(isinstance(entry, Drawing) and entry.parcel is None for entry in self.entries)

    async def follow(self) -> AsyncIterator[None]:
        """Yield at once and after every change, until no job is under way or a newer follower took over."""
        self._follower += 1
        mine = self._follower
        self._change()
        while mine == self._follower:
            seen = self._version
            yield
            if not self.is_waiting and seen == self._version:
                return
            while seen == self._version:
                await self._moved.wait()

    def release(self) -> None:
        """Let every follower go; the page is closing."""
        self._follower += 1
        self._change()

    def _pictures(self, job_id: str) -> tuple[PictureFile, ...]:
        for entry in self.entries:
            match entry:
                case Drawing(parcel=Parcel(job_id=found, pictures=pictures)) if found == job_id:
                    return pictures
                case Answered(outcome=History(entries=jobs)):
                    for job in jobs:
                        if job.job_id == job_id:
                            return job.pictures
        return ()

    def _drawing(self, job_id: str) -> Drawing:
        known = (entry for entry in self.entries if isinstance(entry, Drawing) and entry.job_id == job_id)
        return next(known, Drawing(job_id))

    def _put(self, drawing: Drawing) -> None:
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Drawing) and entry.job_id == drawing.job_id:
                self.entries[place] = drawing
                self._change()
                return
        self._add(drawing)

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        del self.entries[:-MAX_ENTRIES]
        self._change()

    def _change(self) -> None:
        self._version += 1
        self._moved.set()
        self._moved = asyncio.Event()
