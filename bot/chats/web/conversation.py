"""What one browser session sees: its messages, the answers and its jobs.

Entries are values, never sentences, so that the whole conversation can be shown again in another language.
Nothing here is stored; what must survive a restart is in the desk's history.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.errors import SugarbotError
from bot.outcomes import History, JobResult, Outcome, PictureFile, Receipt, Status
from engine.request import Picture

MAX_ENTRIES = 120  # what a person scrolls back to; older ones are found with /mine
MAX_SHOWN_CHARS = 1_000  # of a message; a prompt has at most 800


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
    """A job: each later fact replaces the earlier ones on the page."""

    job_id: str
    receipt: Receipt | None = None
    status: Status | None = None
    result: JobResult | None = None


Entry = Said | Answered | Drawing


@dataclass(frozen=True, slots=True)
class Item:
    """An entry with its number, which never changes, and the version in which it last changed."""

    number: int
    version: int
    entry: Entry


class Conversation:
    """The conversation of one browser session, shared by all its tabs.

    Args:
        chat_id: What the desk knows this conversation by.
        locale: ``en`` or ``zh-CN``.

    Attributes:
        version: Grows with every change.
        spoken_since: The version in which the language last changed.
        is_released: Nothing will change any more; streams end.
    """

    def __init__(self, chat_id: str, locale: str) -> None:
        self.chat_id = chat_id
        self.version = 0
        self.spoken_since = 0
        self.is_released = False
        self._locale = locale
        self._items: deque[Item] = deque(maxlen=MAX_ENTRIES)
        self._next_number = 0
        self._changed = asyncio.Event()

    @property
    def locale(self) -> str:
        """The language in which everything is shown."""
        return self._locale

    @locale.setter
    def locale(self, locale: str) -> None:
        self._locale = locale
        self._change()
        self.spoken_since = self.version

    @property
    def items(self) -> tuple[Item, ...]:
        """All entries, oldest first."""
        return tuple(self._items)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries without their numbers."""
        return tuple(item.entry for item in self._items)

    def say(self, text: str) -> None:
        """Add what the person wrote, cut where it is far too long to be a prompt."""
        self._add(Said(text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"))

    def answer(self, outcome: Outcome | SugarbotError) -> None:
        """Add an answer; a receipt creates or completes the entry of its job."""
        if isinstance(outcome, Receipt):
            self._put(replace(self._drawing(outcome.job_id), receipt=outcome))
        else:
            self._add(Answered(outcome))

    def show(self, status: Status) -> None:
        """Replace what is known of a job under way; ignored once it has ended."""
        drawing = self._drawing(status.job_id)
        if drawing.result is None:
            self._put(replace(drawing, status=status))

    def deliver(self, result: JobResult) -> None:
        """End a job and free the pictures that its status held; delivering again changes nothing."""
        self._put(replace(self._drawing(result.job_id), status=None, result=result))

    def picture(self, job_id: str, index: int) -> PictureFile | Picture | None:
        """A picture that this conversation shows, or None."""
        return next((picture for picture in self._pictures(job_id) if picture.index == index), None)

    async def wait_beyond(self, version: int) -> None:
        """Return once the conversation is newer than ``version``, or released."""
        while self.version <= version and not self.is_released:
            await self._changed.wait()

    def release(self) -> None:
        """End every stream of this conversation."""
        self.is_released = True
        self._change()

    def _pictures(self, job_id: str) -> Iterator[PictureFile | Picture]:
        for entry in self.entries:
            match entry:
                case Drawing(job_id=found, result=JobResult(pictures=files)) if found == job_id:
                    yield from files
                case Drawing(job_id=found, status=Status(pictures=drawn)) if found == job_id:
                    yield from drawn
                case Answered(outcome=History(entries=jobs)):
                    for job in jobs:
                        if job.job_id == job_id:
                            yield from job.pictures

    def _drawing(self, job_id: str) -> Drawing:
        known = (entry for entry in self.entries if isinstance(entry, Drawing) and entry.job_id == job_id)
        return next(known, Drawing(job_id))

    def _put(self, drawing: Drawing) -> None:
        for place, item in enumerate(self._items):
            if isinstance(item.entry, Drawing) and item.entry.job_id == drawing.job_id:
                if item.entry != drawing:
                    self._change()
                    self._items[place] = Item(item.number, self.version, drawing)
                return
        self._add(drawing)

    def _add(self, entry: Entry) -> None:
        self._change()
        self._items.append(Item(self._next_number, self.version, entry))
        self._next_number += 1

    def _change(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
