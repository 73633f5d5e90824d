"""Rows of jobs and credits in one process: duplicates, late answers, poison, and the laws in any order."""

import asyncio
import multiprocessing
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
from tests.crash.laws import broken_laws_of
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.fakes.renderer import Act, BlockedRenderer
from tests.unit.bot.desk.test_desk_laws import Laws

RICH = Rules(daily_credits=1_000_000, max_waiting=100)
MAX_ATTEMPTS = 3
EXAMPLES, STEPS = 5_000, 50


def duplicates(scale: Scale) -> Measured:
    """Send each message 1 to 50 times at once and again after its job's end, half of them by the inbox."""
    return asyncio.run(_duplicates(scale.folder, scale.of(1_000, 10_000)))


async def _duplicates(folder: Path, wanted: int) -> Measured:
    random, messages, repeats, wrong = Random(4), 0, 0, 0
    async with open_harness(folder, rules=RICH) as harness, harness.running():
        while repeats < wanted:
            events = {f"event {messages + n}": random.randint(1, 50) for n in range(20)}
            messages += len(events)
            for _ in range(2):
                copies = [event for event, times in events.items() for _ in range(times)]
                random.shuffle(copies)
                answers = await asyncio.gather(*(_send(harness, event) for event in copies))
                jobs = {event: {job for sent, job in answers if sent == event} for event in events}
                wrong += sum(len(found) != 1 for found in jobs.values())
                repeats += len(copies)
                await harness.chat.wait_for_results(messages, timeout_s=60)
            repeats -= len(events)  # the first copy of each message is no repeat
        [(job_count, charges, in_inbox)] = await harness.store._run(
            "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM ledger WHERE kind = 'charge'), "
            "(SELECT count(*) FROM inbox)"
        )
    second = job_count + charges - 2 * messages
    figures = f"{repeats:,} duplicates of {messages:,} messages: {second} second jobs or charges"
    return Measured(figures, (second, wrong, in_inbox) == (0, 0, messages // 2))


async def _send(harness: DeskHarness, event: str) -> tuple[str, str]:
    if int(event.split()[1]) % 2:
        await harness.desk.store_events(Platform.CONSOLE, [(event, event)])
    receipt = await harness.desk.handle(Draw(prompt="a face"), a_context(event, event))
    assert isinstance(receipt, Receipt)
    return event, receipt.job_id


def late_answers(scale: Scale) -> Measured:
    """Send an answer of an earlier attempt while the job waits, is drawn again, or has ended."""
    return asyncio.run(_late_answers(scale.folder, scale.of(100, 1_000)))


async def _late_answers(folder: Path, wanted: int) -> Measured:
    refused = Counter[bool]()
    async with open_harness(folder, rules=RICH) as harness:
        completion, jobs = harness.desk.parts.completion, harness.store.jobs
        for number in range(wanted):
            receipt = await harness.desk.handle(Draw(prompt="a", count=2), a_context(str(number)))
            assert isinstance(receipt, Receipt)
            late = await jobs.take(receipt.job_id, "an earlier run", 1)
            assert late is not None
            now = await jobs.requeue(late, uses_attempt=bool(number % 2))  # after a crash or after a drain
            if number % 4 > 1 and now:
                now = await jobs.take(now.id, "this run", 2)
            if number % 8 > 3 and now:
                await completion.end(now, JobState.FAILED, fail=FailReason.BLANK_PICTURE)
            refused[await _changes_nothing(harness, late, number)] += 1
            if now and number % 8 < 4:
                await completion.end(now, JobState.CANCELLED)
        broken = await asyncio.to_thread(_broken_laws, folder, {"an ended job without its one sent result"})
    return Measured(
        f"{refused[True]:,} of {wanted:,} refused, nothing changed by any",
        refused[True] == wanted and not broken,
    )


async def _changes_nothing(harness: DeskHarness, late: JobRow, number: int) -> bool:
    before = await _all_rows(harness)
    state = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)[number % 3]
    fail = FailReason.WORKER_ERROR if state is JobState.FAILED else None
    pictures = [PictureRow(late.id, 0, 1, f"{number:064x}")]
    answer = await harness.desk.parts.completion.end(late, state, fail=fail, pictures=pictures)
    requeued = await harness.store.jobs.requeue(late, uses_attempt=True)
    return (answer, requeued) == (None, None) and before == await _all_rows(harness)


async def _all_rows(harness: DeskHarness) -> list[list[tuple[object, ...]]]:
    tables = "SELECT * FROM job", "SELECT * FROM ledger", "SELECT * FROM picture", "SELECT * FROM outbox"
    return [[tuple(row) for row in await harness.store._run(table)] for table in tables]


def _broken_laws(folder: Path, ignored: set[str]) -> list[str]:
    return [law for law in broken_laws_of(folder) if law.split(":")[0] not in ignored]


class PoisonedRenderer(BlockedRenderer):
    """Loses its worker at every poisonous job."""

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        return await super()._render(request, listen, Act.LOSE if request.prompt == "poison" else act)


def poison(scale: Scale) -> Measured:
    """Let one person's job kill every worker while three others have two jobs each, before or after it."""
    return asyncio.run(_poison(scale.folder, scale.of(20, 200)))


async def _poison(folder: Path, wanted: int) -> Measured:
    renderer, attempts, longest_wait, wrong = PoisonedRenderer(), Counter[int](), 0, 0
    async with open_harness(folder, rules=RICH, renderer=renderer) as harness, harness.running():
        for number in range(wanted):
            renderer.may_draw.clear()
            renderer.requests.clear()
            harness.chat.results.clear()
            people = ["ben", "cleo", "dora", "ben", "cleo", "dora"]
            people.insert(number % 7, "ann")
            for position, person in enumerate(people):
                prompt = "poison" if person == "ann" else "a face"
                context = a_context(f"{number} {position}", person)
                await harness.desk.handle(Draw(prompt=prompt, count=2), context)
            renderer.may_draw.set()
            results = await harness.chat.wait_for_results(len(people), timeout_s=60)
            ends = Counter((result.recipe.prompt, result.state, result.refund) for result in results)
            wrong += ends != {("poison", JobState.FAILED, 2): 1, ("a face", JobState.DONE, 0): 6}
            drawn = [request.prompt for request in renderer.requests]
            attempts[drawn.count("poison")] += 1
            last_served = max(at for at, prompt in enumerate(drawn) if prompt != "poison")
            longest_wait = max(longest_wait, _longest_run(drawn[:last_served], "poison"))
    figures = (
        f"{wanted} poisonous jobs stopped after {max(attempts)} attempts, {wrong} not refunded; "
        f"others waited for at most {longest_wait} attempts"
    )
    return Measured(figures, list(attempts) == [MAX_ATTEMPTS] and not wrong and longest_wait <= 2)


def _longest_run(drawn: list[str], prompt: str) -> int:
    return max((len(list(run)) for what, run in groupby(drawn) if what == prompt), default=0)


def any_order(scale: Scale) -> Measured:
    """Run the state machine of ``test_desk_laws.py`` in two processes; `make test` runs its short form."""
    if not scale.is_long:
        return Measured("checked by tests/unit/bot/desk/test_desk_laws.py", holds=True)
    half = scale.of(1, EXAMPLES) // 2
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        broken = [error for error in pool.map(_laws_in_any_order, (half, half), (1, 2)) if error]
    figures = f"{2 * half:,} examples of {STEPS} steps, {len(broken)} violations"
    return Measured(figures + (f": {broken[0]}" if broken else ""), not broken)


def _laws_in_any_order(examples: int, first_seed: int) -> str:
    """Return the first violation, or an empty text."""
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
    except Exception as error:  # noqa: BLE001 - any error is a violation
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
