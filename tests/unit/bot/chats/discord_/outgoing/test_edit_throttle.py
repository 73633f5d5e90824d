"""The throttle of statuses, without Discord."""

import asyncio

import pytest

from bot.chats.discord_.outgoing.edit_throttle import REMEMBERED_JOBS, EditThrottle, MessageEdit
from tests.fakes.frozen import FrozenLoop


def noting(made: list[int], number: int, *, works: bool = True) -> MessageEdit:
    async def edit() -> bool:
        made.append(number)
        return works

    return edit


async def test_the_first_edit_is_immediate_and_only_the_newest_of_the_next_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    throttle, made, frozen = EditThrottle(interval_s=2.0), list[int](), FrozenLoop(monkeypatch)
    throttle.schedule("job", noting(made, 1))
    await frozen.until(lambda: frozen.waits(2.0) == 1)
    for number in (2, 3, 4):
        throttle.schedule("job", noting(made, number))
    frozen.leap(1.9)
    await frozen.settle()
    assert made == [1]
    frozen.leap(0.1)
    await frozen.until(lambda: len(made) > 1)
    assert made == [1, 4]
    await throttle.close()


async def test_jobs_do_not_wait_for_each_other() -> None:
    throttle, made = EditThrottle(interval_s=10), []
    throttle.schedule("one", noting(made, 1))
    throttle.schedule("other", noting(made, 2))
    await asyncio.sleep(0.02)
    assert made == [1, 2]
    await throttle.close()


async def test_the_end_waits_for_the_edit_in_progress_and_no_edit_follows() -> None:
    throttle, made = EditThrottle(interval_s=0.01), []

    async def slow() -> bool:
        await asyncio.sleep(0.05)
        made.append(1)
        return True

    throttle.schedule("job", slow)
    await asyncio.sleep(0.01)
    throttle.schedule("job", noting(made, 2))
    await throttle.end("job")
    assert made == [1]
    throttle.schedule("job", noting(made, 3))
    await asyncio.sleep(0.05)
    assert made == [1]


async def test_a_job_whose_answer_is_gone_is_not_edited_again() -> None:
    throttle, made = EditThrottle(interval_s=0.01), []
    throttle.schedule("job", noting(made, 1, works=False))
    await asyncio.sleep(0.05)
    throttle.schedule("job", noting(made, 2))
    await asyncio.sleep(0.05)
    assert made == [1]


async def test_the_memory_of_ended_jobs_is_bounded() -> None:
    throttle = EditThrottle()
    for number in range(REMEMBERED_JOBS + 10):
        await throttle.end(str(number))
    made: list[int] = []
    throttle.schedule("0", noting(made, 1))  # forgotten by now
    await asyncio.sleep(0.02)
    assert made == [1]
    await throttle.close()


async def test_an_unexpected_error_in_an_edit_does_not_stop_later_edits() -> None:
    async def broken() -> bool:
        raise ZeroDivisionError

    throttle, made = EditThrottle(interval_s=0.01), []
    throttle.schedule("job", broken)
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "discord status job"]
    await asyncio.wait([task])
    assert isinstance(task.exception(), ZeroDivisionError)
    throttle.schedule("job", noting(made, 1))
    await asyncio.sleep(0.02)
    assert made == [1]
    await throttle.close()
