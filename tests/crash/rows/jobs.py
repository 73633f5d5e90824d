"""Rows of jobs and money in one process: duplicates, late answers, poison, and the laws in any order."""

import asyncio
import multiprocessing
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bot.commands.values import Draw
from bot.outcomes import JobState, Platform, Receipt
from bot.policy.rules import Rules
from bot.store.rows import JobRow, PictureRow
from engine.request import Event, Failed, FailReason, Finished, RenderRequest, Stopped
from tests.crash.laws import broken_laws
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.fakes.renderer import Act, FakeRenderer
from tests.unit.bot.desk.test_desk_laws import Laws

RICH = Rules(daily_credits=1_000_000, max_waiting=100)
TRIES = 3
EXAMPLES, STEPS = 5_000, 50


def duplicates(scale: Scale) -> Measured:
    """Every message comes 1 to 50 times at once and again when its job has ended, half of them by inbox."""
    return asyncio.run(_duplicates(scale.folder, scale.of(1_000, 10_000)))


async def _duplicates(folder: Path, wanted: int) -> Measured:
    random, messages, repeats, strange = Random(4), 0, 0, 0
    async with open_harness(folder, rules=RICH) as harness, harness.running():
        while repeats < wanted:
            events = {f"event {messages + n}": random.randint(1, 50) for n in range(20)}
            messages += len(events)
            for _ in range(2):
                copies = [event for event, times in events.items() for _ in range(times)]
                random.shuffle(copies)
                answers = await asyncio.gather(*(_sent(harness, event) for event in copies))
                jobs = {event: {job for came, job in answers if came == event} for event in events}
                strange += sum(len(found) != 1 for found in jobs.values())
                repeats += len(copies)
                await harness.chat.wait_for_results(messages, timeout_s=60)
            repeats -= len(events)  # the first of each is no repeat
        ask = harness.store._run
        [(jobs_made, charges, taken_in)] = await ask(
            "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM ledger WHERE kind = 'charge'), "
            "(SELECT count(*) FROM inbox)"
        )
    second = jobs_made + charges - 2 * messages
    said = f"{repeats:,} duplicates of {messages:,} messages: {second} second jobs or charges"
    return Measured(said, (second, strange, taken_in) == (0, 0, messages // 2))


async def _sent(harness: DeskHarness, event: str) -> tuple[str, str]:
    if int(event.split()[1]) % 2:
        await harness.desk.store_events(Platform.CONSOLE, [(event, event)])
    receipt = await harness.desk.handle(Draw(prompt="a face"), a_context(event, event))
    assert isinstance(receipt, Receipt)
    return event, receipt.job_id


def late_answers(scale: Scale) -> Measured:
    """An answer of an earlier try comes when the job waits, is drawn again, or has ended in any way."""
    return asyncio.run(_late_answers(scale.folder, scale.of(100, 1_000)))


async def _late_answers(folder: Path, wanted: int) -> Measured:
    refused = Counter[bool]()
    async with open_harness(folder, rules=RICH) as harness:
        completion, jobs = harness.desk.parts.completion, harness.store.jobs
        for number in range(wanted):
            receipt = await harness.desk.handle(Draw(prompt="a", count=2), a_context(str(number)))
            assert isinstance(receipt, Receipt)
            late = await jobs.claim(receipt.job_id, "an earlier run", 1)
            assert late is not None
            now = await jobs.requeue(late, uses_attempt=bool(number % 2))  # a crash, or our own stop
            if number % 4 > 1 and now:
                now = await jobs.claim(now.id, "this run", 2)
            if number % 8 > 3 and now:
                await completion.end(now, JobState.FAILED, fail=FailReason.BLANK_PICTURE)
            refused[await _changes_nothing(harness, late, number)] += 1
            if now and number % 8 < 4:
                await completion.end(now, JobState.CANCELLED)
        broken = await asyncio.to_thread(_laws_of, folder, {"an ended job without its one sent result"})
    return Measured(
        f"{refused[True]:,} of {wanted:,} refused, nothing changed by any",
        refused[True] == wanted and not broken,
    )


async def _changes_nothing(harness: DeskHarness, late: JobRow, number: int) -> bool:
    ask = harness.store._run
    tables = "SELECT * FROM job", "SELECT * FROM ledger", "SELECT * FROM picture", "SELECT * FROM outbox"
    before = [[tuple(row) for row in await ask(table)] for table in tables]
    state = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)[number % 3]
    fail = FailReason.WORKER_ERROR if state is JobState.FAILED else None
    pictures = [PictureRow(late.id, 0, 1, f"late-{number}.png")]
    answer = await harness.desk.parts.completion.end(late, state, fail=fail, pictures=pictures)
    put_back = await harness.store.jobs.requeue(late, uses_attempt=True)
    return (answer, put_back) == (None, None) and before == [
        [tuple(row) for row in await ask(table)] for table in tables
    ]


def _laws_of(folder: Path, but: set[str]) -> list[str]:
    connection = sqlite3.connect(folder / "sugarbot.db")
    try:
        return [law for law in broken_laws(connection) if law.split(":")[0] not in but]
    finally:
        connection.close()


class PoisonedRenderer(FakeRenderer):
    """Loses its worker to every poisonous job; draws nothing while its gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        await self.gate.wait()
        return await super()._render(request, listen, Act.LOSE if request.prompt == "poison" else act)


def poison(scale: Scale) -> Measured:
    """One person's job kills every worker while three others have two jobs each, before it or behind."""
    return asyncio.run(_poison(scale.folder, scale.of(20, 200)))


async def _poison(folder: Path, wanted: int) -> Measured:
    renderer, tries, waited, wrong = PoisonedRenderer(), Counter[int](), 0, 0
    async with open_harness(folder, rules=RICH, renderer=renderer) as harness, harness.running():
        for number in range(wanted):
            renderer.gate.clear()
            renderer.requests.clear()
            harness.chat.results.clear()
            people = ["ben", "cleo", "dora", "ben", "cleo", "dora"]
            people.insert(number % 7, "ann")
            for turn, person in enumerate(people):
                prompt = "poison" if person == "ann" else "a face"
                await harness.desk.handle(Draw(prompt=prompt, count=2), a_context(f"{number} {turn}", person))
            renderer.gate.set()
            results = await harness.chat.wait_for_results(len(people), timeout_s=60)
            ends = Counter((result.recipe.prompt, result.state, result.refund) for result in results)
            wrong += ends != {("poison", JobState.FAILED, 2): 1, ("a face", JobState.DONE, 0): 6}
            drawn = [request.prompt for request in renderer.requests]
            tries[drawn.count("poison")] += 1
            last_served = max(at for at, prompt in enumerate(drawn) if prompt != "poison")
            waited = max(waited, _longest_run(drawn[:last_served], "poison"))
    said = (
        f"{wanted} poisonous jobs stopped after {max(tries)} tries, {wrong} not refunded; "
        f"others waited for at most {waited} tries"
    )
    return Measured(said, list(tries) == [TRIES] and not wrong and waited <= 2)


def _longest_run(drawn: list[str], prompt: str) -> int:
    return max((len(list(run)) for what, run in groupby(drawn) if what == prompt), default=0)


def any_order(scale: Scale) -> Measured:
    """The state machine of ``test_desk_laws.py`` in two processes; `make test` runs its short form there."""
    if not scale.is_long:
        return Measured("held by tests/unit/bot/desk/test_desk_laws.py", holds=True)
    half = scale.of(1, EXAMPLES) // 2
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        broken = [error for error in pool.map(_laws_in_any_order, (half, half), (1, 2)) if error]
    said = f"{2 * half:,} examples of {STEPS} steps, {len(broken)} violations"
    return Measured(said + (f": {broken[0]}" if broken else ""), not broken)


def _laws_in_any_order(examples: int, first_seed: int) -> str:
    """The first violation that was found; empty for none."""
    machine = seed(first_seed)(type("Seeded", (Laws,), {}))
    every = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=every)
    except Exception as error:  # noqa: BLE001 - whatever the machine finds is the figure
        return repr(error)[:300]
    return ""


ROWS = (
    Row(
        "4",
        "every message 1 to 50 times at once, again after its job, and through the inbox",
        "10,000 duplicates: 0 second jobs",
        duplicates,
    ),
    Row("6", "a late answer of an earlier attempt", "1,000 of 1,000 refused", late_answers),
    Row(
        "7",
        "a job that kills every worker",
        "stopped after 3 attempts, refunded, others served within 2 jobs",
        poison,
    ),
    Row(
        "8",
        "the laws in any order of events (Hypothesis)",
        "5,000 examples × 50 steps: 0 violations",
        any_order,
    ),
)
