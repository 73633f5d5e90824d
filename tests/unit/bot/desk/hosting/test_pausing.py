"""Paused: accepted and not drawn; draining: drawn and not accepted. Both survive a restart."""

from pathlib import Path

import pytest

from bot.commands.values import DrainQueue, Draw, PauseDrawing, ResumeDrawing
from bot.errors import Draining, HostsOnly
from bot.outcomes import DrawingPaused, DryRun, Receipt, ServiceChanged, ServiceMode
from bot.policy.rules import Rules
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import BlockedRenderer

PLENTY = Rules(daily_credits=100, max_waiting=9)


async def give(harness: DeskHarness, command: PauseDrawing | DrainQueue | ResumeDrawing) -> ServiceChanged:
    changed = await harness.desk.handle(command, a_context("", HOST))
    assert isinstance(changed, ServiceChanged)
    return changed


async def credits_of(harness: DeskHarness, user_id: str) -> int:
    person = await harness.store.people.find("console", user_id)
    assert person is not None
    return (await harness.store.people.account(person)).credits


async def test_a_pause_keeps_jobs_waiting_over_a_restart_and_resume_draws_them(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness, harness.running():
        changed = await give(harness, PauseDrawing("a new card"))
        assert (changed.service.mode, changed.was, changed.waiting) == (
            ServiceMode.PAUSED,
            ServiceMode.OPEN,
            0,
        )
        receipt = await harness.accept("1")
        assert receipt.notes == (DrawingPaused("a new card"),)
        dry = await harness.desk.handle(Draw("b", dry=True), a_context("2"))
        assert isinstance(dry, DryRun)
        assert dry.notes == (DrawingPaused("a new card"),)
        assert receipt.wait is None
        assert harness.desk.queue_status().service.mode is ServiceMode.PAUSED
    async with open_harness(tmp_path, rules=PLENTY) as harness, harness.running():
        await until(lambda: harness.desk.queue_status().waiting == 1)
        assert harness.desk.parts.queue.is_paused
        await until(lambda: harness.desk.parts.drawing.running == ("", 0, 0))
        assert harness.renderer.received == []
        changed = await give(harness, ResumeDrawing())
        assert (changed.service.mode, changed.was, changed.waiting) == (
            ServiceMode.OPEN,
            ServiceMode.PAUSED,
            1,
        )
        await until(lambda: len(harness.chat.results) == 1)
        assert (await harness.job(receipt.job_id)).state == "done"


async def test_draining_draws_what_waits_and_refuses_new_requests_at_no_cost(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        waiting = await harness.accept("1", "ann")
        changed = await give(harness, DrainQueue("moving"))
        assert (changed.service.mode, changed.waiting) == (ServiceMode.DRAINING, 1)
        before = await credits_of(harness, "ann")
        for command in (Draw("b"), Draw("b", dry=True)):
            with pytest.raises(Draining) as refused:
                await harness.desk.handle(command, a_context("2", "ann"))
            assert refused.value.facts == {"reason": "moving"}
        assert await credits_of(harness, "ann") == before
        again = await harness.desk.handle(Draw("a"), a_context("1", "ann"))  # the same message
        assert isinstance(again, Receipt)
        assert again.repeated
        async with harness.running():
            await until(lambda: len(harness.chat.results) == 1)
        assert (await harness.job(waiting.job_id)).state == "done"
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        await harness.desk.parts.pausing.load()
        with pytest.raises(Draining):
            await harness.accept("3", "ann")
        await give(harness, ResumeDrawing())
        await harness.accept("4", "ann")


async def test_what_the_worker_has_is_finished_and_the_next_job_waits(tmp_path: Path) -> None:
    renderer = BlockedRenderer()
    async with open_harness(tmp_path, rules=PLENTY, renderer=renderer) as harness:
        for event in ("1", "2", "3"):
            await harness.accept(event)
        async with harness.running():
            await until(lambda: len(harness.renderer.received) >= 1)
            await give(harness, PauseDrawing())
            renderer.may_draw.set()
            await until(lambda: len(harness.chat.results) == len(harness.renderer.received))
            await until(lambda: harness.desk.parts.drawing.running == ("", 0, 0))
            assert len(harness.renderer.received) + harness.desk.queue_status().waiting == 3
            assert harness.desk.queue_status().waiting >= 1


async def test_only_hosts_pause_and_each_decision_is_recorded(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        for command in (PauseDrawing(), DrainQueue(), ResumeDrawing()):
            with pytest.raises(HostsOnly):
                await harness.desk.handle(command, a_context("1", "ann"))
        await give(harness, PauseDrawing("x"))
        await give(harness, ResumeDrawing())
        actions = await harness.store.permissions.newest_actions(9)
        assert [(each.action, each.user_id, each.detail) for each in actions] == [
            ("open", HOST, {"reason": "", "waiting": 0}),
            ("paused", HOST, {"reason": "x", "waiting": 0}),
        ]


async def test_a_pause_that_is_given_again_changes_its_reason(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        await give(harness, PauseDrawing("x"))
        assert (await give(harness, PauseDrawing("y"))).was is ServiceMode.PAUSED
        assert (await harness.store.service.read()).reason == "y"
