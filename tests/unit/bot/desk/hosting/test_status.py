"""Everybody sees the card, the queue and their own jobs, and nothing of other people."""

from dataclasses import replace
from pathlib import Path

from bot.commands.values import PauseDrawing, ShowStatus
from bot.outcomes import StatusShown
from bot.policy.rules import Rules
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, in_group, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

PLENTY = Rules(daily_credits=100, max_waiting=9)


async def status_of(harness: DeskHarness, user_id: str) -> StatusShown:
    shown = await harness.desk.handle(ShowStatus(), a_context("", user_id))
    assert isinstance(shown, StatusShown)
    return shown


async def test_a_person_sees_their_own_jobs_in_order(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        first = await harness.accept("1", "ann", prompt="a fox")
        await harness.accept("2", "ben", prompt="a secret")
        second = await harness.accept("3", "ann", prompt="a hare")
        shown = await status_of(harness, "ann")
        assert [(job.job_id, job.typed, job.position) for job in shown.jobs] == [
            (first.job_id, "a fox", 0),
            (second.job_id, "a hare", 2),
        ]
        assert "secret" not in repr(shown)
        assert (shown.card.waiting, shown.is_drawing, shown.card.png) == (3, False, b"")
        assert (await status_of(harness, "a stranger")).jobs == ()


async def test_a_group_does_not_read_what_the_person_typed(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        await harness.accept("1", "ann", prompt="a fox", private=True)
        shown = await harness.desk.handle(ShowStatus(), in_group("2", "ann"))
        assert isinstance(shown, StatusShown)
        assert [job.typed for job in shown.jobs] == [""]


async def test_the_job_on_the_card_has_no_position(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_harness(tmp_path, rules=PLENTY, renderer=renderer) as harness, harness.running():
        first, second = await harness.accept("1"), await harness.accept("2")
        await until(lambda: harness.desk.queue_status().step > 0)
        shown = await status_of(harness, "ann")
        assert shown.is_drawing
        assert [(job.job_id, job.position) for job in shown.jobs] == [
            (first.job_id, None),
            (second.job_id, 1),
        ]


async def test_nobody_is_promised_a_start_while_the_drawing_is_paused(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        await harness.accept("1")
        await harness.desk.handle(PauseDrawing("x"), a_context("2", HOST))
        shown = await status_of(harness, "ann")
        assert (shown.wait, shown.jobs[0].wait) == (None, None)
        assert shown.service.reason == "x"
        assert replace(shown.service, since_ms=0).mode == "paused"
