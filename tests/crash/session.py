"""Run a desk under test in its own process, which may be killed at any moment.

It simulates a platform that repeats unconfirmed messages. Processes only append to the logs, so that a kill
leaves them correct: what the platform knows (``confirmed.log``), which answers people got
(``answered.log``), what they saw (``shown.log``), and what must never happen (``wrong.log``).
"""

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pypinyin  # noqa: F401 - the shelf imports it late; here it comes before the fork

from bot.commands.values import (
    Cancel,
    Draw,
    Link,
    LoraAllow,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Mine,
    PixelSize,
    Quota,
    Reroll,
    Scope,
    Unlink,
)
from bot.desk import results
from bot.desk.drawing import loop
from bot.errors import AlreadyEnded, NothingToCancel, PersonError, UnknownLora
from bot.outcomes import CancelAccepted, JobState, LinkCode, Platform, Receipt
from bot.policy.rules import Rules
from engine.backoff import Backoff
from engine.planner.costs.book import CostBook
from tests.crash.faults import FAULTS
from tests.crash.kinds import ROUND, Kind, KindChat, KindRenderer, append
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until

RULES = Rules(daily_credits=9, max_waiting=100)  # five messages of about two credits each: some are refused
ROOM_BYTES = CostBook("a test").predict(512, 512, count=1, loras=2).bytes
SLOW_S = 0.006
MOST_WAITING = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process does.

    Attributes:
        events: How many messages the platform has so far.
        is_last: End when all is answered, drawn and delivered, instead of running until killed.
        has_poison: Some jobs end the process that draws them.
        fault: A planted fault, by its name.
    """

    folder: Path
    seed: int
    events: int
    is_last: bool = False
    has_poison: bool = True
    fault: str = ""


class WallClock(FakeClock):
    """The real time, so that back-offs end by themselves."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


def run_sessions(plan: Plan, ready: Connection) -> None:
    """Run sessions, each closed cleanly in the middle of its work, until killed or all is done."""
    with (plan.folder / "stderr.log").open("a") as log:
        os.dup2(log.fileno(), 2)
    loop.NOT_READY_WAIT_S = 0.005
    results.BACK_OFF, results.MAX_DELIVERIES = Backoff((0.005, 0.01, 0.02, 0.04, 0.05)), 4
    if plan.fault:
        FAULTS[plan.fault]()
    random = Random(plan.seed)

    async def sessions() -> None:
        is_over = False
        while not is_over:
            is_over = await _session(plan, random, ready) and plan.is_last

    try:
        asyncio.run(sessions())
    except BaseException as error:
        append(plan.folder / "wrong.log", f"a process ended with {error!r}")
        raise


async def _session(plan: Plan, random: Random, ready: Connection) -> bool:
    """Open, work for a while, drain and close; return whether nothing is left to do."""
    folder, renderer = plan.folder, KindRenderer(plan.folder)
    async with open_harness(
        folder, renderer=renderer, clock=WallClock(), chat=KindChat(folder), rules=RULES, migrates=True
    ) as harness:
        harness.probe.free_bytes = harness.probe.total_bytes = ROOM_BYTES
        harness.desk.parts.progress._every_s = 0.003
        platform = _Platform(harness, plan, random)
        renderer.cancel_late = partial(platform.cancel, person=HOST)
        lost = await harness.store.jobs.in_state(JobState.RUNNING)
        if not ready.closed:
            ready.send("ready")
            ready.close()
        async with harness.running():
            await until(lambda: bool(harness.desk._loops), timeout_s=30)
            for job in lost:  # a late answer of the previous process
                if await harness.desk.parts.completion.end(job, JobState.DONE) is not None:
                    append(folder / "wrong.log", f"a late answer of {job.id} was accepted")
            await platform.send()
            await platform.revoke_and_allow()
            until_s = time.monotonic() + random.uniform(0, 0.5 if plan.is_last else 0.06)
            while is_busy := await platform.is_busy():
                if time.monotonic() > until_s:
                    break
                await platform.cancel_slow_job()
                await platform.fetch_kept()
                await asyncio.sleep(0.004)
    return not is_busy


class _Platform:
    """Sends each message until it is confirmed, and some once more."""

    def __init__(self, harness: DeskHarness, plan: Plan, random: Random) -> None:
        self._harness = harness
        self._desk = harness.desk
        self._folder = plan.folder
        self._events = plan.events
        self._has_poison = plan.has_poison
        self._random = random
        self._drawing = ("", 0.0)

    async def send(self) -> None:
        await self._send_read_only_commands()
        await self._link_and_unlink()
        await self._answer_inbox()
        confirmed = self._confirmed()
        # Repeat the last two direct messages as if they had no answer; the platform forgets stored events.
        repeated = [number for number in sorted(confirmed) if number % 2 == 0][-2:]
        for number in [*repeated, *sorted(set(range(self._events)) - confirmed)]:
            if len(self._desk.parts.queue.jobs) >= MOST_WAITING:
                break  # more jobs could not be drawn in time
            if number % 2:
                await self._deliver_event(number)
            else:
                await self._press(number)
            await self._withdraw_newest()
            await asyncio.sleep(self._random.uniform(0, 0.003))
        await self._answer_inbox()

    async def _withdraw_newest(self) -> None:
        """Store a ``/cancel`` without an id of a person with several jobs, and answer it."""
        rows = await self._harness.store._run(
            "SELECT user_id FROM job JOIN identity USING (person) WHERE ended_ms IS NULL "
            "AND identity.platform = 'console' GROUP BY user_id HAVING count(*) > 1"
        )
        if rows and self._random.random() < 0.3:
            withdraws = json.dumps({"withdraws": rows[0]["user_id"]})
            await self._desk.store_events(
                Platform.CONSOLE, [(f"withdraw-{self._random.getrandbits(64)}", withdraws)]
            )
            await self._answer_inbox()

    async def is_busy(self) -> bool:
        """Whether a message, a job or a result is unfinished."""
        async with self._harness.store.atomic():  # otherwise a job's end is visible before its result
            [row] = await self._harness.store._run(
                "SELECT (SELECT count(*) FROM job WHERE ended_ms IS NULL)"
                "     + (SELECT count(*) FROM outbox WHERE state <> 'sent')"
                "     + (SELECT count(*) FROM inbox WHERE settled = 0) AS count"
            )
        return bool(row["count"]) or len(self._confirmed()) < self._events

    async def cancel_slow_job(self) -> None:
        """Cancel a job that takes long, as a host does."""
        job_id = self._harness.renderer.running
        if not job_id or job_id != self._drawing[0]:
            self._drawing = (job_id, time.monotonic())
        elif time.monotonic() - self._drawing[1] > SLOW_S:
            await self.cancel(job_id, HOST)

    async def revoke_and_allow(self) -> None:
        """Take the default LoRA back, as its host does, while its jobs wait and run; then give it back."""
        if self._random.random() < 0.2:
            await self._desk.handle(LoraRevoke("sugar"), a_context("revoke", HOST))
            rows = await self._harness.store._run(
                "SELECT id FROM job WHERE ended_ms IS NULL AND loras LIKE '%\"sugar\"%'"
            )
            if rows:
                append(self._folder / "wrong.log", f"{rows[0]['id']} outlived the revocation of its LoRA")
        await self._desk.handle(LoraAllow("sugar"), a_context("allow", HOST))

    async def fetch_kept(self) -> None:
        """Send ``/mine`` for each person with undelivered results."""
        for row in await self._harness.store._run(
            "SELECT DISTINCT user_id FROM outbox JOIN job ON job.id = outbox.job "
            "JOIN identity USING (person) WHERE outbox.state = 'kept'"
        ):
            await self._desk.handle(Mine(), a_context("mine", row["user_id"]))

    async def cancel(self, job_id: str, person: str) -> None:
        with contextlib.suppress(AlreadyEnded, NothingToCancel):
            await self._desk.handle(Cancel(job_id), a_context("cancel", person))

    def _confirmed(self) -> set[int]:
        log = self._folder / "confirmed.log"
        lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
        return {int(line) for line in lines}

    async def _press(self, number: int) -> None:
        """Send a command as Discord does: the answer confirms it. Some people send it three times at once."""
        presses = (self._answer(number) for _ in range(3 if number % 5 == 0 else 1))
        if len(set(await asyncio.gather(*presses))) > 1:
            append(self._folder / "wrong.log", f"message {number} was answered in different ways")
        append(self._folder / "confirmed.log", str(number))

    async def _deliver_event(self, number: int) -> None:
        """Send a message as Telegram does: it is stored, then confirmed, and answered later."""
        await self._desk.store_events(Platform.CONSOLE, [(str(number), json.dumps({"number": number}))])
        append(self._folder / "confirmed.log", str(number))
        if self._random.random() < 0.5:
            await self._answer_inbox()

    async def _answer_inbox(self) -> None:
        for event_id, payload in await self._desk.pending_events(Platform.CONSOLE):
            event = json.loads(payload)
            if "withdraws" in event:
                await self._withdraw(event_id, event["withdraws"])
                if self._random.random() < 0.5:
                    continue  # the answer did not arrive, and the event comes again
            else:
                await self._answer(event["number"])
            await self._desk.finish_event(Platform.CONSOLE, event_id)

    async def _withdraw(self, event_id: str, person: str) -> None:
        """Answer a stored ``/cancel``; each repetition must get the same answer."""
        try:
            answer: object = await self._desk.handle(Cancel(), a_context(event_id, person))
        except PersonError as refusal:
            answer = type(refusal).__name__
        content = answer.job_id if isinstance(answer, CancelAccepted) else answer
        append(self._folder / "withdrawn.log", f"{event_id} {content}")
        await asyncio.sleep(0.003)  # the answer is sent, and the event is not yet finished

    async def _answer(self, number: int) -> str:
        person, kind = f"person-{number // 5}", self._kind(number)
        try:
            receipt = await self._desk.handle(_command(number, kind), a_context(str(number), person))
        except PersonError as refusal:
            append(self._folder / "answered.log", f"{number} -")
            return type(refusal).__name__
        assert isinstance(receipt, Receipt)
        append(self._folder / "answered.log", f"{number} {receipt.job_id}")
        await self._desk.store_placeholder(receipt.job_id, a_context(str(number), person).address)
        if kind in (Kind.CANCELLED_BY_ID, Kind.CANCELLED_NEWEST):
            await self.cancel(receipt.job_id if kind is Kind.CANCELLED_BY_ID else "", person)
        if kind is Kind.REROLLED:
            friend = a_context(f"again-{number}", f"friend-{number}")
            with contextlib.suppress(PersonError):
                await self._desk.handle(Reroll(receipt.job_id), friend)
        return receipt.job_id

    def _kind(self, number: int) -> Kind:
        is_poison = self._has_poison and number % 41 == 17
        return Kind.POISON if is_poison else ROUND[number % len(ROUND)]

    async def _link_and_unlink(self) -> None:
        """Link a person with the page, and sometimes unlink them again."""
        name = f"person-{self._random.randrange(1 + self._events // 5)}"
        issued = await self._desk.handle(Link(), a_context("link", name))
        assert isinstance(issued, LinkCode)
        with contextlib.suppress(PersonError):  # they are already linked
            for step in range(2):
                context = a_context(f"{issued.code} {step}", name, platform=Platform.WEB)
                await self._desk.handle(Link(issued.code), context)
        if self._random.random() < 0.5:
            with contextlib.suppress(PersonError):
                await self._desk.handle(Unlink(), a_context("unlink", name, platform=Platform.WEB))

    async def _send_read_only_commands(self) -> None:
        """Send commands that change no job."""
        await self._desk.handle(Quota(), a_context("quota", "person-0"))
        await self._desk.handle(LoraList(), a_context("list", "person-0"))
        for scope in Scope:
            with contextlib.suppress(UnknownLora):  # while it is taken back
                await self._desk.handle(LoraSwitch(LoraWish("sugar"), scope), a_context("switch", HOST))


def _command(number: int, kind: Kind) -> Draw:
    return Draw(
        prompt=f"{kind} {number}",
        count=1 + number % 3,
        loras=(LoraWish("unknown"),) if kind is Kind.UNKNOWN_LORA else (),
        size=PixelSize(1024, 1024) if kind is Kind.TOO_LARGE else None,
    )
