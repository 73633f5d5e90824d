"""The laws of jobs and money, whatever happens in whatever order, against a small model of them.

accepted = waiting + ended · one charge a job, at most one refund · charges − refunds = pictures ·
sum of the ledger = credits · every ended job has one result, a waiting one none · a person's results leave in
order, when they are due, and what a stop caught on its way is on its way again
"""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bot.commands.values import Cancel, Draw, Mine
from bot.desk.files import name_pictures
from bot.desk.results import MAX_ATTEMPTS
from bot.errors import AlreadyEnded, NoCreditsLeft, NothingToCancel, TooManyWaiting
from bot.outcomes import CancelAccepted, JobState, Receipt
from bot.policy.rules import Rules
from bot.store.rows import JobRow, OutboxState
from engine.request import FailReason, Picture
from tests.fakes.desk_harness import a_context
from tests.fakes.desk_machine import DeskMachine
from tests.fakes.renderer import tiny_png

RULES = Rules(daily_credits=6, max_waiting=3)
PEOPLE = ("ann", "ben", "cleo")
WAITED_FOR_MS, MOST_IN_CHAT = 60_000, 2


@dataclass(eq=False)
class Job:
    """What the model knows of a job; a picture costs one credit here."""

    person: str
    count: int
    state: str = "queued"
    attempt: int = 0
    pictures: int = 0
    cancel_asked: bool = False
    result: str = ""
    due_ms: int = 0

    @property
    def waits(self) -> bool:
        return self.state in ("queued", "running")

    def precedes(self, later: "Job", outbox: list["Job"], waited_for_ms: int) -> bool:
        """Whether this one's result must leave before the later one's."""
        if self.person != later.person or outbox.index(self) >= outbox.index(later):
            return False
        is_waited_for = self.result in ("ready", "maybe") and self.due_ms <= waited_for_ms
        return self.result == "sending" or is_waited_for


@dataclass
class Model:
    """The laws in fifty lines."""

    jobs: dict[str, Job] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    renewed: dict[str, int] = field(default_factory=dict)
    outbox: list[Job] = field(default_factory=list)

    def end(self, job: Job, state: str, pictures: int) -> None:
        job.state, job.pictures, job.result = state, pictures, "ready"
        self.credits[job.person] += job.count - pictures
        self.outbox.append(job)

    def take_back(self, job: Job) -> None:
        if job.cancel_asked:
            self.end(job, "cancelled", 0)
        elif job.attempt >= MAX_ATTEMPTS:
            self.end(job, "failed", 0)
        else:
            job.state = "queued"


class Laws(DeskMachine):
    """Drives the real desk and store step by step, and the model beside them."""

    rules_of_desk = RULES

    def prepare(self) -> None:
        self.model = Model()
        self.stale: list[JobRow] = []  # jobs taken in earlier attempts, whose answers may come late
        self.event = 0
        self.origins: dict[str, tuple[str, str]] = {}

    async def open(self) -> None:
        await super().open()
        self.drawing = self.harness.desk.parts.drawing
        self.completion = self.harness.desk.parts.completion
        await self.harness.store.outbox.recover()
        await self.drawing.recover()
        for job in self.model.outbox:
            if job.result == "sending":
                job.result = "maybe"

    def job_in(self, data: st.DataObject, state: str) -> str:
        return data.draw(st.sampled_from([key for key, job in self.model.jobs.items() if job.state == state]))

    def any_is(self, state: str) -> bool:
        return any(job.state == state for job in self.model.jobs.values())

    def row(self, job_id: str) -> JobRow:
        job = self.do(self.harness.store.jobs.find(job_id))
        assert isinstance(job, JobRow)
        return job

    def drawn(self, job_id: str, count: int) -> list[Picture]:
        return [Picture(n, n, 8, 8, tiny_png(n)) for n in range(count)]

    @rule(person=st.sampled_from(PEOPLE), count=st.integers(1, 4))
    def accept(self, person: str, count: int) -> None:
        self.event += 1
        model = self.model
        today = self.clock() // 86_400_000
        credits = model.credits.get(person, 0)
        if model.renewed.get(person, -1) < today:
            credits = max(credits, RULES.daily_credits)
        waiting = sum(job.waits and job.person == person for job in model.jobs.values())
        expected: type | tuple[type, ...] = Receipt
        if waiting >= RULES.max_waiting:
            expected = TooManyWaiting
        elif credits < count:
            expected = NoCreditsLeft
        context = a_context(f"event {self.event}", person)
        try:
            answer: object = self.do(self.harness.desk.handle(Draw(prompt="a", count=count), context))
        except (TooManyWaiting, NoCreditsLeft) as refusal:
            answer = refusal
        assert isinstance(answer, expected)
        if isinstance(answer, Receipt):
            model.jobs[answer.job_id] = Job(person, count)
            model.credits[person], model.renewed[person] = credits - count, today
            self.origins[answer.job_id] = (context.event_id, person)

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.model.jobs)))
        event_id, person = self.origins[job_id]
        receipt = self.do(self.harness.desk.handle(Draw(prompt="b", count=4), a_context(event_id, person)))
        assert (receipt.job_id, receipt.repeated) == (job_id, True)

    @precondition(lambda self: self.any_is("queued") and not self.any_is("running"))
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        job_id = self.job_in(data, "queued")
        self.do(self.harness.store.jobs.take(job_id, self.drawing._lease, self.clock()))
        job = self.model.jobs[job_id]
        job.state, job.attempt = "running", job.attempt + 1

    @precondition(lambda self: self.any_is("running"))
    @rule(data=st.data(), drawn=st.integers(0, 4), failed=st.booleans())
    def end(self, data: st.DataObject, drawn: int, failed: bool) -> None:
        job_id = self.job_in(data, "running")
        job, row = self.model.jobs[job_id], self.row(job_id)
        drawn = min(drawn, job.count) if failed else job.count
        pictures = name_pictures(job_id, self.drawn(job_id, drawn))
        state, fail = (JobState.FAILED, FailReason.BLANK_PICTURE) if failed else (JobState.DONE, None)
        refund = self.do(self.completion.end(row, state, fail=fail, pictures=pictures))
        assert refund == job.count - drawn
        self.model.end(job, state, drawn)
        self.stale.append(row)

    @precondition(lambda self: self.any_is("running"))
    @rule(data=st.data())
    def lose_the_worker(self, data: st.DataObject) -> None:
        job_id = self.job_in(data, "running")
        row = self.row(job_id)
        self.do(self.completion.use_attempt(row, []))
        self.model.take_back(self.model.jobs[job_id])
        self.stale.append(row)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def finish_late(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.stale))
        pictures = name_pictures(row.id, self.drawn(row.id, row.recipe.count))
        assert self.do(self.completion.end(row, JobState.DONE, pictures=pictures)) is None

    @rule(person=st.sampled_from(PEOPLE), newest=st.booleans(), data=st.data())
    def cancel(self, person: str, newest: bool, data: st.DataObject) -> None:
        own = [key for key, job in self.model.jobs.items() if job.person == person]
        waiting = [key for key in own if self.model.jobs[key].waits]
        job_id = "" if newest or not own else data.draw(st.sampled_from(own))
        meant = job_id or (waiting[-1] if waiting else "")
        try:
            answer: object = self.do(self.harness.desk.handle(Cancel(job_id), a_context("cancel", person)))
        except (AlreadyEnded, NothingToCancel) as refusal:
            answer = refusal
        if not meant:
            assert isinstance(answer, NothingToCancel)
        elif not (job := self.model.jobs[meant]).waits:
            assert isinstance(answer, AlreadyEnded)
        elif job.state == "running":
            assert answer == CancelAccepted(meant, was_running=True)
            job.cancel_asked = True
        else:
            assert answer == CancelAccepted(meant, was_running=False, refund=job.count)
            self.model.end(job, "cancelled", 0)

    @rule()
    def take_a_result(self) -> None:
        now_ms, outbox = self.clock(), self.model.outbox
        waited_for_ms = now_ms + WAITED_FOR_MS
        free = [job for job in outbox if job.result in ("ready", "maybe") and job.due_ms <= now_ms]
        free = [
            job for job in free if not any(other.precedes(job, outbox, waited_for_ms) for other in outbox)
        ]
        if sum(job.result == "sending" for job in outbox) >= MOST_IN_CHAT:  # they are all of one chat
            free = []
        taken, _ = self.do(
            self.harness.store.outbox.take(
                "console", now_ms, waited_for_ms=waited_for_ms, most_in_chat=MOST_IN_CHAT
            )
        )
        assert (taken and self.model.jobs[taken.job]) is (free[0] if free else None)
        if free:
            free[0].result = "sending"

    @precondition(lambda self: any(job.result == "sending" for job in self.model.outbox))
    @rule(data=st.data(), end=st.sampled_from(OutboxState), later_s=st.integers(0, 7_200))
    def settle_a_result(self, data: st.DataObject, end: OutboxState, later_s: int) -> None:
        if end in (OutboxState.READY, OutboxState.SENDING):
            return
        jobs = self.model.jobs
        job_id = data.draw(st.sampled_from([key for key, job in jobs.items() if job.result == "sending"]))
        due_ms = self.clock() + 1_000 * later_s if end is OutboxState.MAYBE else 0
        self.do(self.harness.store.outbox.mark(job_id, end, due_ms))
        jobs[job_id].result, jobs[job_id].due_ms = end, due_ms

    @rule(person=st.sampled_from(PEOPLE))
    def fetch_what_was_kept(self, person: str) -> None:
        self.do(self.harness.desk.handle(Mine(), a_context("mine", person)))
        self.model.credits.setdefault(person, 0)
        for job in self.model.outbox:
            if job.person == person and job.result == "kept":
                job.result, job.due_ms = "ready", 0

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        running = [job for job in self.model.jobs.values() if job.state == "running"]
        self.stale += [self.row(key) for key, job in self.model.jobs.items() if job.state == "running"]
        if clean:
            self.do(self.harness.store.jobs.requeue_leased(self.drawing._lease))
            for job in running:
                job.state, job.attempt = "queued", job.attempt - 1
                if job.cancel_asked:
                    self.model.end(job, "cancelled", 0)
        self.do(self.close())
        self.do(self.open())
        if not clean:
            for job in running:
                self.model.take_back(job)

    @invariant()
    def the_laws_hold(self) -> None:
        self.do(self.check())

    async def check(self) -> None:
        ask, jobs = self.harness.store._run, self.model.jobs
        rows = {row["id"]: row for row in await ask("SELECT * FROM job")}
        assert {key: (row["state"], row["attempt"]) for key, row in rows.items()} == {
            key: (job.state, job.attempt) for key, job in jobs.items()
        }
        pictures = {row[0]: row[1] for row in await ask("SELECT job, count(*) FROM picture GROUP BY job")}
        assert pictures == {key: job.pictures for key, job in jobs.items() if job.pictures}
        money = {row[0]: row[1] for row in await ask("SELECT job, sum(credits) FROM ledger GROUP BY job")}
        kept = {key: job.count if job.waits else job.pictures for key, job in jobs.items()}
        assert {key: -total for key, total in money.items() if key} == kept
        accounts = await ask(
            "SELECT user_id, credits, (SELECT total(credits) FROM ledger WHERE person = account.person) "
            "FROM account JOIN identity USING (person)"
        )
        assert {row[0]: row[1] for row in accounts} == self.model.credits
        assert all(row[1] == row[2] for row in accounts)
        assert {row[0]: row[1] for row in await ask("SELECT job, state FROM outbox")} == {
            key: job.result for key, job in jobs.items() if not job.waits
        }
        waiting = {key for key, job in jobs.items() if job.state == "queued"}
        assert waiting <= set(self.harness.desk.parts.queue.scheduler.queue())


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=50, stateful_step_count=30, suppress_health_check=list(HealthCheck))
