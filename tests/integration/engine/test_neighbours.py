"""A cancel, from the desk down to the pixels: it stops its own job and does not change the next one."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw, LoraWish, Ratio
from bot.desk.build import DeskInputs, build_desk
from bot.desk.desk import Desk
from bot.errors import NotYours
from bot.outcomes import CancelAccepted, JobResult, JobState, Receipt
from bot.policy.rules import Rules
from bot.store import open_store
from engine.checkpoint.model import built_in_lora_folder, find_model
from engine.config import EngineConfig
from engine.host import Host
from engine.planner.costs.book import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.request import (
    Drawn,
    Event,
    Failed,
    Finished,
    LoraChoice,
    LoraSource,
    Progress,
    RenderRequest,
    Stopped,
)
from engine.shelf import read_shelf
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import HOST, MIGRATIONS, a_context
from tests.fakes.lora_folder import shelf_inputs

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

HERS = Draw(
    prompt="Sugar面部, 清透水光肌", loras=(LoraWish("sugar", 0.8),), size=Ratio(1, 1), seed=7, count=4
)
HIS = Draw(prompt="a calm face", loras=(LoraWish("none"),), size=Ratio(1, 1), seed=99)


@dataclass
class Watched:
    """The real host, with its worker, its events and a hook."""

    host: Host
    pid: int = 0
    events: list[tuple[float, Event]] = field(default_factory=list)
    hook: Callable[[Event], None] = lambda event: None

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        def record(event: Event) -> None:
            self.events.append((time.monotonic(), event))
            listen(event)
            self.hook(event)

        end = await self.host.render(request, record)
        self.events.append((time.monotonic(), end))
        return end

    def cancel(self, job_id: str) -> None:
        self.host.cancel(job_id)

    def prefetch(self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...] = ()) -> None:
        self.host.prefetch(loras, files)

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Forget and refuse these LoRAs."""
        self.host.withdraw(sha256)


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[tuple[Desk, Watched, FakeChat]]:
    """A desk on the real engine with the built-in model, on the CPU."""
    config = EngineConfig(folder, folder / "loras", device="cpu", step_timeout_s=60)
    model = await asyncio.to_thread(find_model, config)
    shelf = await asyncio.to_thread(read_shelf, [built_in_lora_folder(model), config.lora_dir], model)
    store = await open_store(folder / "sugarbot.db", MIGRATIONS)
    host, costs, chat = Host(config), CostBook(), FakeChat()
    watched = Watched(host)
    try:
        worker = await host.start()
        costs.started(worker)
        watched.pid = worker.pid
        desk = build_desk(
            DeskInputs(
                store=store,
                renderer=watched,
                shelf=shelf,
                model=model,
                probe=HeadroomProbe("cpu", 0, host.held_bytes),
                costs=costs,
                rules=Rules(),
                pictures_dir=folder / "pictures",
                clock=lambda: time.time_ns() // 1_000_000,
                **shelf_inputs(folder),
            )
        )
        run = asyncio.create_task(desk.run({chat.platform: chat}), name="desk")
        yield desk, watched, chat
        await desk.drain(10)
        await run
    finally:
        await host.close()
        await store.close()


def files(parcel: JobResult) -> list[bytes]:
    return [picture.path.read_bytes() for picture in parcel.pictures]


async def test_a_cancel_within_a_batch_keeps_what_is_drawn_and_leaves_the_neighbour_bit_for_bit(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path) as (desk, watched, chat):
        for event, draw in (("1", replace(HERS, count=1)), ("2", HIS)):  # undisturbed
            await desk.handle(draw, a_context(event))
        hers, his = await chat.wait_for_results(2, timeout_s=60)
        asked: list[asyncio.Task[object]] = []
        asked_s = 0.0

        def cancel_in_the_second_picture(event: Event) -> None:
            nonlocal asked_s
            if isinstance(event, Progress) and (event.index, event.step) == (1, 1) and not asked:
                os.kill(
                    watched.pid, signal.SIGSTOP
                )  # or it may draw on while a busy machine notes the cancel
                asked_s = time.monotonic()
                asked.append(asyncio.create_task(desk.handle(Cancel(receipt.job_id), a_context("5"))))  # type: ignore[arg-type]
                asked[0].add_done_callback(lambda _: os.kill(watched.pid, signal.SIGCONT))

        watched.hook, watched.events = cancel_in_the_second_picture, []
        receipt = await desk.handle(HERS, a_context("3"))
        assert isinstance(receipt, Receipt)
        await desk.handle(HIS, a_context("4", "ben"))
        with pytest.raises(NotYours):
            await desk.handle(Cancel(receipt.job_id), a_context("6", "ben"))
        *_, stopped, neighbour = await chat.wait_for_results(4, timeout_s=60)
        assert await asked[0] == CancelAccepted(receipt.job_id, was_running=True)
        hers_events = [(at, event) for at, event in watched.events if event.job_id == receipt.job_id]
        # Hers: what was drawn is kept, bit for bit, and the rest comes back. One picture, unless the events
        # of more of them waited to be read when the cancel was asked for.
        drawn = sum(isinstance(event, Drawn) for _, event in hers_events)
        assert 1 <= drawn < HERS.count
        assert (stopped.state, len(stopped.pictures)) == (JobState.CANCELLED, drawn)
        assert stopped.refund == HERS.count - drawn
        assert files(stopped)[0] == files(hers)[0]
        # It stopped at the step that the card drew when the cancel arrived, or soon after.
        [stopped_s] = [at for at, event in hers_events if isinstance(event, Stopped)]
        steps = [at for at, event in hers_events if isinstance(event, Progress)]
        longest_step_s = max(later - earlier for earlier, later in pairwise(steps))
        assert stopped_s - asked_s < longest_step_s + 10  # a loose bound: the machine may be busy
        # His: as if nothing had happened.
        assert files(neighbour) == [files(his)[0]]
        late = await desk.handle(HERS, a_context("7"))
        assert isinstance(late, Receipt)
        assert isinstance(await desk.handle(Cancel(late.job_id), a_context("8", HOST)), CancelAccepted)
