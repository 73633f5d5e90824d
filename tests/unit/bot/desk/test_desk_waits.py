"""How long the desk waits before it looks, shows or tries again, on a loop whose time the test moves."""

import asyncio
from pathlib import Path

import pytest

from bot.desk.files import retry_while_full
from bot.errors import CannotSave
from bot.outcomes import JobResult, RetryLater, Status
from engine.planner.headroom import Headroom
from engine.request import WorkerInfo
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.frozen import FrozenLoop
from tests.fakes.renderer import Act, FakeRenderer


async def accept(harness: DeskHarness, event: str = "1") -> str:
    return (await harness.accept(event, f"person {event}")).job_id


async def states(harness: DeskHarness) -> list[str]:
    return [row[0] for row in await harness.store._run("SELECT state FROM outbox ORDER BY id")]


async def test_a_failed_save_is_repeated_every_two_seconds(frozen: FrozenLoop) -> None:
    tries: list[int] = []

    async def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise CannotSave(detail="disk full")
        return "saved"

    saving = asyncio.create_task(retry_while_full(work))
    for done in (1, 2):
        await frozen.until(lambda: frozen.waits(2) == 1)
        assert len(tries) == done
        frozen.leap(2)
    await frozen.until(saving.done)
    assert (await saving, len(tries)) == ("saved", 3)


async def test_a_failed_save_is_not_repeated_while_the_desk_closes() -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        raise CannotSave(detail="disk full")

    with pytest.raises(CannotSave):
        await retry_while_full(work, lambda: True)
    assert len(tries) == 1


class Deaf(FakeChat):
    """Never answers; counts what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def deliver(self, result: JobResult) -> None:
        self.asked += 1
        await asyncio.Event().wait()

    async def show(self, status: Status) -> None:
        self.asked += 1
        await asyncio.Event().wait()


async def test_a_delivery_has_two_minutes(tmp_path: Path, frozen: FrozenLoop) -> None:
    chat = Deaf()
    chat.show = FakeChat().show  # type: ignore[method-assign]
    async with open_harness(tmp_path, chat=chat) as harness:
        await accept(harness)
        async with harness.running():
            await frozen.until(lambda: chat.asked == 1)
            frozen.leap(119.9)
            await frozen.settle()
            assert await states(harness) == ["sending"]
            frozen.leap(0.2)
            await frozen.until(lambda: is_outbox(harness, ["maybe"]))


async def is_outbox(harness: DeskHarness, wanted: list[str]) -> bool:
    return await states(harness) == wanted


async def test_a_show_has_ten_seconds(tmp_path: Path, frozen: FrozenLoop) -> None:
    chat = Deaf()
    async with open_harness(tmp_path, chat=chat) as harness:
        job_id = await accept(harness)
        showing = asyncio.create_task(harness.desk.parts.progress._show(job_id, None, {chat.platform: chat}))
        await frozen.until(lambda: chat.asked == 1)
        frozen.leap(9.9)
        await frozen.settle()
        assert not showing.done()
        frozen.leap(0.2)
        await frozen.until(showing.done)
        await showing


async def test_a_placeholder_is_edited_once_a_second_at_most(tmp_path: Path, frozen: FrozenLoop) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG])) as harness:
        await accept(harness)
        async with harness.running():
            for edits in (1, 2, 3):
                await frozen.until(lambda edits=edits: len(harness.chat.shown) == edits)  # type: ignore[misc]
                await frozen.until(lambda: frozen.waits(1) == 1)
                frozen.leap(0.9)
                await frozen.settle()
                assert len(harness.chat.shown) == edits
                frozen.leap(0.1)


async def test_a_worker_that_did_not_start_is_asked_again_after_five_seconds(
    tmp_path: Path, frozen: FrozenLoop
) -> None:
    renderer = FakeRenderer([Act.UNREADY] * 50)
    async with open_harness(tmp_path, renderer=renderer) as harness:
        await accept(harness)
        async with harness.running():
            for asked in (2, 4):  # two may be in hand
                await frozen.until(lambda: frozen.waits(5) == 2)
                assert len(renderer.received) == asked
                frozen.leap(5)


async def test_a_card_without_room_is_looked_at_every_second_and_an_idle_one_never(
    tmp_path: Path, frozen: FrozenLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path) as harness:
        looked: list[int] = []
        real = harness.probe.read

        def read() -> Headroom:
            looked.append(1)
            return real()

        monkeypatch.setattr(harness.probe, "read", read)
        harness.probe.free_bytes = 1
        async with harness.running():
            await frozen.until(lambda: len(looked) == 1)
            await frozen.settle()
            assert frozen.waits(1) == 0
            await accept(harness)
            for looks in (2, 3, 4):
                await frozen.until(lambda: frozen.waits(1) == 1)
                assert len(looked) == looks
                frozen.leap(1)


async def test_a_model_that_has_loaded_is_noticed_within_a_fifth_of_a_second(
    tmp_path: Path, frozen: FrozenLoop
) -> None:
    is_loading = True
    async with open_harness(tmp_path, is_loading=lambda: is_loading) as harness:
        await accept(harness)
        async with harness.running():
            await frozen.until(lambda: frozen.waits(0.2) == 1)
            harness.desk.parts.queue._costs.started(
                WorkerInfo(1, "cuda:0", "a card", "bfloat16", "", "tiny", 1.0, 1)
            )
            is_loading = False
            frozen.leap(0.2)
            await frozen.until(lambda: len(harness.renderer.received) == 1)


async def test_a_platform_is_retried_exactly_when_it_allows_it(tmp_path: Path, frozen: FrozenLoop) -> None:
    async with open_harness(tmp_path) as harness:
        harness.chat.errors.append(RetryLater("the chat is full", after_s=1_000))
        await accept(harness)
        async with harness.running():
            await frozen.until(lambda: frozen.waits(1_000) == 1)
            assert await states(harness) == ["maybe"]
            harness.clock.advance(seconds=1_000)
            frozen.leap(1_000)
            await frozen.until(lambda: len(harness.chat.results) == 1)


async def test_a_result_that_is_due_in_no_time_is_looked_at_in_a_twentieth_of_a_second(
    tmp_path: Path, frozen: FrozenLoop
) -> None:
    async with open_harness(tmp_path) as harness:
        harness.chat.errors.append(RetryLater("a moment", after_s=0.001))
        await accept(harness)
        async with harness.running():
            await frozen.until(lambda: frozen.waits(0.05) == 1)
            harness.clock.advance(ms=1)
            frozen.leap(0.05)
            await frozen.until(lambda: len(harness.chat.results) == 1)
