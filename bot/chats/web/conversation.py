"""The conversation of one browser session: its messages, the answers and its jobs.

Entries are values, not sentences, so that the page can show the whole conversation in another language. They
exist only in memory; the desk's history has everything that must survive a restart.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import SugarbotError
from bot.messages import picture_of
from bot.outcomes import (
    Deleted,
    EditableText,
    ExportReady,
    History,
    JobResult,
    LoraAdding,
    Originals,
    Outcome,
    PickedPicture,
    PictureFile,
    Receipt,
    Recipe,
    ReportListing,
    Status,
)
from engine.request import Picture

MAX_ENTRIES = 120  # the conversation forgets older ones; /mine finds their pictures
MAX_SHOWN_CHARS = 1_000  # of a message; a prompt has at most 800


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A message of the person; ``event_id`` as in the command that it made."""

    text: str
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class BotMessage:
    """An answer that never changes."""

    outcome: Outcome | SugarbotError


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A job, from its receipt to its result; each newer value replaces the older ones on the page.

    ``event_id`` is that of the message that asked for it.
    """

    job_id: str
    event_id: str = ""
    receipt: Receipt | None = None
    status: Status | None = None
    result: JobResult | None = None


@dataclass(frozen=True, slots=True)
class WorkMessage:
    """How far a command that takes long is, until its answer takes this place."""

    event_id: str
    progress: LoraAdding | None


ConversationEntry = UserMessage | BotMessage | JobMessage | WorkMessage


@dataclass(frozen=True, slots=True)
class NumberedEntry:
    """An entry with its permanent number and the version of its last change."""

    number: int
    version: int
    entry: ConversationEntry


def _without(entry: ConversationEntry, deleted: Deleted) -> ConversationEntry:
    """Return an entry without a deleted job; what shows that job alone becomes the answer."""
    gone = deleted.job_id
    match entry:
        case JobMessage(job_id=found) if found == gone:
            return BotMessage(deleted)
        case BotMessage(
            outcome=PickedPicture(job_id=found) | Originals(job_id=found) | EditableText(job_id=found)
        ) if found == gone:
            return BotMessage(deleted)
        case BotMessage(outcome=History() as history):
            left = tuple(job for job in history.entries if job.job_id != gone)
            return BotMessage(replace(history, entries=left))
        case BotMessage(outcome=ReportListing() as listing):
            return BotMessage(ReportListing(tuple(job for job in listing.jobs if job.job_id != gone)))
    return entry


class Conversation:
    """The conversation of one browser session, shared by all its tabs.

    Args:
        chat_id: Identifies this conversation for the desk.
        locale: ``en`` or ``zh-CN``.

    Attributes:
        chosen_locale: The language of the browser, or the one chosen on the page; settings go before it.
        version: Grows with every change.
        whole_version: The version of the last change of more than single entries: another language, or some
            entries are gone.
        is_released: The conversation never changes again; its streams end.
    """

    def __init__(self, chat_id: str, locale: str) -> None:
        self.chat_id = chat_id
        self.chosen_locale = locale
        self.version = 0
        self.whole_version = 0
        self.is_released = False
        self._locale = locale
        self._items: deque[NumberedEntry] = deque(maxlen=MAX_ENTRIES)
        self._next_number = 0
        self._changed = asyncio.Event()

    @property
    def locale(self) -> str:
        """The language of the page."""
        return self._locale

    @locale.setter
    def locale(self, locale: str) -> None:
        self._locale = locale
        self._change()
        self.whole_version = self.version

    @property
    def items(self) -> tuple[NumberedEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._items)

    @property
    def entries(self) -> tuple[ConversationEntry, ...]:
        """All entries without numbers, oldest first."""
        return tuple(item.entry for item in self._items)

    def say(self, text: str, event_id: str = "") -> None:
        """Add the person's message; cut it if it is too long for a prompt."""
        shown = text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
        self._add(UserMessage(shown, event_id))

    def answer(self, outcome: Outcome | SugarbotError, event_id: str = "") -> None:
        """Add an answer, in place of how far its command was.

        A receipt updates the entry of its job. The answer that a job is deleted takes the place of what shows
        the job, and the message that asked for it goes too.
        """
        if isinstance(outcome, Receipt):
            known = self._job_message(outcome.job_id)
            self._put(replace(known, receipt=outcome, event_id=known.event_id or event_id))
        elif not (isinstance(outcome, Deleted) and self._forget(outcome)):
            self._replace_work(event_id, BotMessage(outcome))

    def show_work(self, event_id: str, progress: LoraAdding | None) -> None:
        """Show how far a command is."""
        self._replace_work(event_id, WorkMessage(event_id, progress))

    def show(self, status: Status) -> None:
        """Update a job's progress; ignored after the job has ended."""
        job_message = self._job_message(status.job_id)
        if job_message.result is None:
            self._put(replace(job_message, status=status))

    def deliver(self, result: JobResult) -> None:
        """Set a job's result and free the pictures of its status; a second delivery changes nothing."""
        self._put(replace(self._job_message(result.job_id), status=None, result=result))

    def picture(self, job_id: str, index: int) -> PictureFile | Picture | None:
        """A picture of this conversation, or None."""
        return next((picture for picture in self._pictures(job_id) if picture.index == index), None)

    def chart(self, number: int) -> bytes | None:
        """The picture that belongs to the answer of this number, or None."""
        for item in self._items:
            if item.number == number and isinstance(item.entry, BotMessage):
                outcome = item.entry.outcome
                return None if isinstance(outcome, SugarbotError) else picture_of(outcome, "en")[0] or None
        return None

    def export(self, name: str) -> Path | None:
        """The file of this name that belongs to an answer, or None."""
        for entry in self.entries:
            match entry:
                case BotMessage(outcome=ExportReady(parts=parts)):
                    if found := next((part for part in parts if part.name == name), None):
                        return found
        return None

    def recipes(self) -> Iterator[tuple[str, Recipe]]:
        """The recipes of the jobs that this conversation shows, by job id."""
        for entry in self.entries:
            match entry:
                case JobMessage(job_id=job_id, result=JobResult(recipe=recipe)):
                    yield job_id, recipe
                case BotMessage(outcome=History(entries=jobs)):
                    yield from ((job.job_id, job.recipe) for job in jobs)

    async def wait_for_change(self, version: int) -> None:
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
                case JobMessage(job_id=found, result=JobResult(pictures=files)) if found == job_id:
                    yield from files
                case JobMessage(job_id=found, status=Status(pictures=drawn)) if found == job_id:
                    yield from drawn
                case BotMessage(outcome=PickedPicture(job_id=found, picture=file)) if found == job_id:
                    yield file
                case BotMessage(outcome=Originals(job_id=found, pictures=files)) if found == job_id:
                    yield from files
                case BotMessage(outcome=History(entries=jobs)):
                    for job in jobs:
                        if job.job_id == job_id:
                            yield from job.pictures

    def _job_message(self, job_id: str) -> JobMessage:
        known = (entry for entry in self.entries if isinstance(entry, JobMessage) and entry.job_id == job_id)
        return next(known, JobMessage(job_id))

    def _put(self, job_message: JobMessage) -> None:
        for index, item in enumerate(self._items):
            if isinstance(item.entry, JobMessage) and item.entry.job_id == job_message.job_id:
                if item.entry != job_message:
                    self._change()
                    self._items[index] = NumberedEntry(item.number, self.version, job_message)
                return
        self._add(job_message)

    def _forget(self, deleted: Deleted) -> bool:
        """Remove what the conversation shows of a deleted job; False if the answer has no place yet."""
        asked_by = self._job_message(deleted.job_id).event_id
        kept: list[NumberedEntry] = []
        is_answered = False
        for item in self._items:
            entry = _without(item.entry, deleted)
            is_answer = entry != item.entry and entry == BotMessage(deleted)
            if (is_answer and is_answered) or (
                asked_by and isinstance(entry, UserMessage) and entry.event_id == asked_by
            ):
                continue
            is_answered = is_answered or is_answer
            kept.append(item if entry == item.entry else replace(item, entry=entry))
        if kept != list(self._items):
            self._items = deque(kept, maxlen=MAX_ENTRIES)
            self._change()
            self.whole_version = self.version
        return is_answered

    def _replace_work(self, event_id: str, entry: ConversationEntry) -> None:
        for index, item in enumerate(self._items):
            if isinstance(item.entry, WorkMessage) and item.entry.event_id == event_id:
                if item.entry != entry:
                    self._change()
                    self._items[index] = NumberedEntry(item.number, self.version, entry)
                return
        self._add(entry)

    def _add(self, entry: ConversationEntry) -> None:
        self._change()
        self._items.append(NumberedEntry(self._next_number, self.version, entry))
        self._next_number += 1

    def _change(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
