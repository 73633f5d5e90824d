"""Planted faults, each one a broken rule of the protocol: the harness must detect them all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.desk import results
from bot.desk.drawing import loop
from bot.desk.people.ledger import Ledger
from bot.desk.results import JobCompletion, OutboxDelivery
from bot.outcomes import JobResult
from bot.store.database import Database
from bot.store.jobs import Inbox, Jobs, Outbox
from bot.store.rows import EventRow, JobRow, OutboxState, PictureRow, TakenResult
from bot.store.statements import load_statements
from engine.errors import JobNotStarted

_later: set[asyncio.Task[Any]] = set()


def _in_a_moment(work: Coroutine[Any, Any, object]) -> None:
    """Do the work after the open transaction, and outside it."""

    async def soon() -> None:
        await asyncio.sleep(0.002)
        await work

    task = asyncio.create_task(soon())
    _later.add(task)
    task.add_done_callback(_later.discard)


def no_transactions() -> None:
    """Every statement commits by itself."""

    @asynccontextmanager
    async def atomic(database: Database) -> AsyncIterator[None]:
        yield
        effects, database._after_commit = database._after_commit, []
        for effect in effects:
            effect()

    def after_commit(database: Database, effect: Callable[[], None]) -> None:
        database._after_commit.append(effect)

    Database.atomic = atomic  # type: ignore[method-assign]
    Database.after_commit = after_commit  # type: ignore[method-assign]


def charge_outside_the_transaction() -> None:
    """The job is accepted first and charged a moment later."""
    real = Ledger.charge

    async def charge(ledger: Ledger, job: JobRow) -> int:
        _in_a_moment(real(ledger, job))
        return 0

    Ledger.charge = charge  # type: ignore[method-assign]


def result_outside_the_transaction() -> None:
    """The job ends first and is put into the outbox a moment later."""
    statements = load_statements("jobs.sql")
    statements["add_result_later"] = statements["add_result"]
    statements["add_result"] = "SELECT :job"
    real = Jobs.end

    async def end(self: Jobs, job: JobRow, *args: Any, **facts: Any) -> bool:
        has_ended = await real(self, job, *args, **facts)
        if has_ended:
            _in_a_moment(self._query("add_result_later", job=job.id))
        return has_ended

    Jobs.end = end  # type: ignore[method-assign]


def confirmed_before_stored() -> None:
    """A message is confirmed to the platform and stored a moment later."""
    real = Inbox.add

    async def add(self: Inbox, platform: str, events: Sequence[tuple[str, str]], now_ms: int) -> None:
        _in_a_moment(real(self, platform, events, now_ms))

    Inbox.add = add  # type: ignore[method-assign]


def sent_before_delivered() -> None:
    """A result counts as sent as soon as it is taken."""
    real = Outbox.take

    async def take(
        self: Outbox, platform: str, now_ms: int, **limits: Any
    ) -> tuple[TakenResult | None, int | None]:
        result, due_ms = await real(self, platform, now_ms, **limits)
        if result:
            await self.mark(result.job, OutboxState.SENT)
        return result, due_ms

    Outbox.take = take  # type: ignore[method-assign]


def answers_not_kept() -> None:
    """An event whose answer was interrupted is handled again."""

    async def save_answer(_: Inbox, platform: str, event_id: str, answer: str) -> None:
        return

    Inbox.save_answer = save_answer  # type: ignore[method-assign]


def no_recovery_of_the_outbox() -> None:
    """Results that were being sent when the process died are lost."""

    async def recover(_: Outbox) -> None:
        return

    Outbox.recover = recover  # type: ignore[method-assign]


def no_fence_at_the_end() -> None:
    """A job can be ended by any attempt of any run."""
    statements = load_statements("jobs.sql")
    statements["end"] = statements["end"].replace("AND attempt = :attempt AND lease IS :lease", "")


def refund_outside_and_not_unique() -> None:
    """Refunds have their own transaction, and nothing prevents a second one."""
    statements = load_statements("people.sql")
    statements["add_ledger_entry"] = statements["add_ledger_entry"].replace(
        "INSERT INTO", "INSERT OR IGNORE INTO"
    )
    real_end, real_refund = JobCompletion.end, Ledger.refund

    async def end(
        completion: JobCompletion, job: JobRow, *args: Any, pictures: Sequence[PictureRow] = (), **facts: Any
    ) -> int | None:
        now = await completion._store.jobs.find(job.id)
        if now and (now.attempt, now.lease) == (job.attempt, job.lease):
            async with completion._store.atomic():
                await real_refund(completion._ledger, job, job.recipe.count - len(pictures))
        return await real_end(completion, job, *args, pictures=pictures, **facts)

    async def refund(_: Ledger, job: JobRow, missing: int) -> int:
        return 0

    JobCompletion.end, Ledger.refund = end, refund  # type: ignore[method-assign]


def lost_attempts_not_counted() -> None:
    """A crash uses no attempt, so a job that causes crashes is drawn forever."""
    real = Jobs.requeue

    async def requeue(self: Jobs, job: JobRow, *, uses_attempt: bool) -> JobRow | None:
        return await real(self, job, uses_attempt=False)

    Jobs.requeue = requeue  # type: ignore[method-assign]


def ready_job_loses_an_attempt() -> None:
    """Every job that the worker held when it was lost loses an attempt."""
    loop.ERROR_RULES = tuple(rule for rule in loop.ERROR_RULES if rule.error is not JobNotStarted)


def picture_row_before_its_file() -> None:
    """The rows are stored first, then the files that they name."""
    save, end = results.save_pictures, JobCompletion.end
    unsaved: dict[str, tuple[Sequence[PictureRow], Sequence[bytes], Path]] = {}

    def rows_alone(rows: Sequence[PictureRow], contents: Sequence[bytes], folder: Path) -> None:
        if rows:
            unsaved[rows[0].job] = rows, contents, folder

    async def end_then_save(self: JobCompletion, job: JobRow, *how: Any, **more: Any) -> None:
        await end(self, job, *how, **more)
        if job.id in unsaved:
            await asyncio.sleep(0.005)  # a busy disk takes as long, a folder in memory takes no time
            await asyncio.to_thread(save, *unsaved.pop(job.id))

    results.save_pictures = rows_alone
    JobCompletion.end = end_then_save  # type: ignore[method-assign]


def same_message_not_recognised() -> None:
    """A repeated message counts as a new one."""
    real, find = Jobs.add, Inbox.find
    numbers = iter(range(10**6))

    async def find_no_job(self: Inbox, platform: str, event_id: str) -> EventRow:
        return replace(await find(self, platform, event_id), job=None)

    async def add(self: Jobs, job: Any, event_id: str, most_unfinished: int) -> JobRow | None:
        return await real(self, job, f"{event_id} {job.id} {next(numbers)}", most_unfinished)

    Inbox.find, Jobs.add = find_no_job, add  # type: ignore[method-assign]


def answer_as_a_new_message() -> None:
    """Each delivery goes to a new message."""
    real = OutboxDelivery._load_result
    numbers = iter(range(10**6))

    async def result(delivery: OutboxDelivery, job_id: str) -> JobResult:
        loaded = await real(delivery, job_id)
        ref = loaded.address.ref and f"{loaded.address.ref}-{next(numbers)}-{id(delivery)}"
        return replace(loaded, address=replace(loaded.address, ref=ref))

    OutboxDelivery._load_result = result  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[], None]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        no_transactions,
        charge_outside_the_transaction,
        result_outside_the_transaction,
        confirmed_before_stored,
        sent_before_delivered,
        answers_not_kept,
        no_recovery_of_the_outbox,
        no_fence_at_the_end,
        refund_outside_and_not_unique,
        lost_attempts_not_counted,
        ready_job_loses_an_attempt,
        picture_row_before_its_file,
        same_message_not_recognised,
        answer_as_a_new_message,
    )
}
"""Name → the function that plants the fault in this process."""
