"""News of waiting and running jobs: thinned, coalesced, and never after the result."""

import asyncio
from pathlib import Path

import pytest

from bot.commands.values import Draw
from bot.desk import progress
from bot.desk.outcomes import Receipt, Status
from bot.desk.progress import Board, told_place
from engine.request import Progress
from tests.fakes.chat import FakeChat
from tests.fakes.renderer import FakeRenderer
from tests.fakes.room import Room, a_visit, open_room


class SlowChat(FakeChat):
    """Shows take a while, so that results overtake them unless somebody waits."""

    async def show(self, status: Status) -> None:
        await asyncio.sleep(0.02)
        await super().show(status)


async def accept(room: Room, event: str, count: int = 1) -> str:
    receipt = await room.desk.handle(Draw(prompt="a", count=count), a_visit(event, f"person {event}"))
    assert isinstance(receipt, Receipt)
    return receipt.job_id


def test_places_are_told_in_few_steps() -> None:
    told = [told_place(place) for place in range(13)]
    assert told == [1, 1, 2, 3, 5, 5, 10, 10, 10, 10, 10, 11, 11]


async def test_a_person_is_told_the_schedule_and_not_every_move(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer(step_s=0.001)) as room:
        room.desk._board._every_s = 0.0
        jobs = [await accept(room, str(n)) for n in range(13)]
        async with room.running():
            await room.chat.wait_for_parcels(13)
        places = [status.place for status in room.chat.shown if status.job_id == jobs[-1]]
        assert [place for place in places if place is not None] == [10, 5, 3, 2, 1]
        assert places[-1] is None  # it began


async def test_steps_are_coalesced_to_the_newest(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer(step_s=0.01)) as room:
        room.desk._board._every_s = 0.1
        job_id = await accept(room, "1", count=3)
        async with room.running():
            await room.chat.wait_for_parcels(1)
        steps = [(status.index, status.step) for status in room.chat.shown if status.job_id == job_id]
        assert steps == sorted(set(steps))
        assert 1 <= len(steps) <= 5 < 24


async def test_no_status_comes_after_the_result(tmp_path: Path) -> None:
    chat = SlowChat()
    async with open_room(tmp_path, chat=chat, renderer=FakeRenderer(step_s=0.001)) as room:
        room.desk._board._every_s = 0.0
        for n in range(10):
            await accept(room, str(n))
        async with room.running():
            await chat.wait_for_parcels(10)
            await asyncio.sleep(0.1)
    for job_id in {job_id for _, job_id in chat.log}:
        kinds = [kind for kind, shown in chat.log if shown == job_id]
        assert kinds.index("deliver") == len(kinds) - 1
    assert "show" in {kind for kind, _ in chat.log}
    assert len(chat.parcels) == 10


async def test_a_chat_that_cannot_show_loses_only_the_status(tmp_path: Path) -> None:
    class Broken(FakeChat):
        async def show(self, status: Status) -> None:
            raise ConnectionError

    async with open_room(tmp_path, chat=Broken(), renderer=FakeRenderer(step_s=0.001)) as room:
        await accept(room, "1")
        async with room.running():
            await room.chat.wait_for_parcels(1)


async def test_a_show_that_hangs_delays_its_own_result_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(FakeChat):
        async def show(self, status: Status) -> None:
            if status.job_id == first:
                await asyncio.Event().wait()

    monkeypatch.setattr(progress, "SHOW_TIMEOUT_S", 2.0)
    async with open_room(tmp_path, chat=Hanging(), renderer=FakeRenderer(step_s=0.005)) as room:
        first = await accept(room, "1")
        second = await accept(room, "2")
        async with room.running():
            parcels = await room.chat.wait_for_parcels(2)
    assert [parcel.job_id for parcel in parcels] == [second, first]


async def test_an_ended_job_gets_no_status(room: Room) -> None:
    job_id = await accept(room, "1")
    job = await room.store.jobs.find(job_id)
    assert job is not None
    board: Board = room.desk._board
    await board._show(job_id, Progress(job_id, 1, 0, 1, 8), {room.chat.platform: room.chat})
    await board._show("unknown", None, {room.chat.platform: room.chat})
    assert room.chat.shown == []
    await board._show(job_id, None, {room.chat.platform: room.chat})
    assert [status.place for status in room.chat.shown] == [0]
