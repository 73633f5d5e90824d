"""What a revocation ends, and what is recorded of each use."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import messages
from bot.commands.values import (
    Draw,
    LoraAllow,
    LoraRevoke,
    LoraWish,
)
from bot.errors import PersonError, UnknownLora
from bot.outcomes import (
    JobState,
    LoraAllowed,
    LoraRevoked,
    Platform,
)
from bot.store.rows import UseCount
from engine.request import FailReason
from engine.shelf import Shelf
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, BlockedRenderer, FakeRenderer
from tests.unit.bot.desk.loras.consenting import (
    FILES,
    MEMBER,
    NAMED,
    OWNER,
    STRANGER,
    Speaker,
    a_lora,
    opened,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with opened(tmp_path) as harness:
        yield harness


@pytest.fixture
def say(harness: DeskHarness) -> Speaker:
    return Speaker(harness)


async def test_a_withdrawn_lora_is_for_nobody_under_any_name_until_it_is_allowed_again(
    harness: DeskHarness, say: Speaker, tmp_path: Path
) -> None:
    revoked = await say(OWNER, LoraRevoke("face"))
    assert revoked == LoraRevoked("face", "", 0)
    assert harness.renderer.withdrawn == {"f" * 64}
    assert not await say.may(OWNER)
    assert not await say.may(MEMBER)
    await harness.store.close()
    renamed = {"other": replace(FILES["face"], name="other")}
    async with open_harness(tmp_path, shelf=Shelf(renamed)) as later, later.running():
        await until(lambda: bool(later.renderer.withdrawn))
        assert not await Speaker(later).may(OWNER, command=Draw(prompt="a", loras=(LoraWish("other"),)))
    async with opened(tmp_path) as later, later.running():
        again = Speaker(later)
        again.said = 100
        await until(lambda: bool(later.renderer.withdrawn))
        with pytest.raises(UnknownLora):
            await again(MEMBER, LoraAllow("face"))
        assert await again(OWNER, LoraAllow("face")) == LoraAllowed("face", "")
        assert await again.may(MEMBER)
        assert later.renderer.withdrawn == frozenset()


async def test_a_revocation_ends_and_refunds_what_waits_and_stops_what_runs(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with opened(tmp_path, renderer=renderer) as harness, harness.running():
        say = Speaker(harness)
        running = await say(MEMBER, Draw(prompt="a", loras=NAMED, count=2))
        await until(lambda: bool(renderer.running))
        waiting = [await say(MEMBER, Draw(prompt="a", loras=NAMED)) for _ in range(5)]
        other = await say(STRANGER, Draw(prompt="a"))
        revoked = await say(OWNER, LoraRevoke("face"))
        assert revoked == LoraRevoked("face", "", 6)
        # At once, and not after the next step: the jobs have ended.
        for receipt in (running, *waiting):
            job = await harness.job(receipt.job_id)
            assert (job.state, job.fail) == (JobState.FAILED, FailReason.LORA_WITHDRAWN)
        results = {each.job_id: each for each in await harness.chat.wait_for_results(7)}
        assert all(results[each.job_id].refund == each.price for each in (running, *waiting))
        assert results[other.job_id].state is JobState.DONE
        assert running.job_id not in renderer.running
        caption = messages.format_caption(results[running.job_id], "en")
        assert "may not be used any more" in caption
        assert "Credits refunded: 2." in caption
        assert harness.picture_files == [await harness.picture_file(other.job_id)]


async def test_pictures_that_the_worker_finishes_after_the_revocation_are_not_kept(tmp_path: Path) -> None:
    class Late(BlockedRenderer):
        """Pays no attention to a stop."""

        def cancel(self, job_id: str) -> None:
            pass

    renderer = Late()
    async with opened(tmp_path, renderer=renderer) as harness, harness.running():
        say = Speaker(harness)
        receipt = await say(OWNER, Draw(prompt="a", loras=NAMED))
        await until(lambda: bool(renderer.running))
        await say(OWNER, LoraRevoke("face"))
        renderer.may_draw.set()
        [result] = await harness.chat.wait_for_results(1)
        await until(lambda: renderer.drawn == 1 and not renderer.running)
        assert (result.pictures, result.refund) == ((), receipt.price)
        await until(lambda: not harness.desk.parts.drawing.running[0])
    assert harness.picture_files == []


@pytest.mark.parametrize("is_checking", [False, True])
async def test_a_lora_that_is_not_offered_now_can_be_revoked(
    harness: DeskHarness, say: Speaker, is_checking: bool
) -> None:
    await say(MEMBER, Draw(prompt="a", loras=NAMED))
    checking = {"face": FILES["face"]} if is_checking else {}
    harness.desk.parts.shelf.replace(Shelf({}, checking=checking))  # its waiting job keeps a copy
    with pytest.raises(PersonError):
        await say(STRANGER, LoraRevoke("face"))
    assert await say(OWNER, LoraRevoke("face")) == LoraRevoked("face", "", 1)
    harness.desk.parts.shelf.replace(Shelf(FILES))
    assert not await say.may(MEMBER)


async def test_a_name_that_has_left_goes_before_the_title_of_another_lora(
    harness: DeskHarness, say: Speaker
) -> None:
    other = a_lora("other", owner=f"console:{OWNER}", titles={"en": "Face"})
    harness.desk.parts.shelf.replace(Shelf({"other": other}))
    assert (await say(OWNER, LoraRevoke("face"))).lora == "face"
    assert await say.may(STRANGER, command=Draw(prompt="a", loras=(LoraWish("other"),)))
    assert (await say(OWNER, LoraRevoke("Other"))).lora == "other"
    renamed = replace(
        FILES["face"], name="new", sidecar=replace(FILES["face"].sidecar, titles={"en": "Face"})
    )
    harness.desk.parts.shelf.replace(Shelf({"new": renamed}))
    assert (await say(OWNER, LoraRevoke("face"))).lora == "new", "the same content under a new name"


async def test_a_revoked_grant_ends_only_the_jobs_that_needed_it(harness: DeskHarness, say: Speaker) -> None:
    await say(OWNER, LoraAllow("face", person=f"console:{STRANGER}"))
    by_grant = await say(STRANGER, Draw(prompt="a", loras=NAMED))
    by_chat = await say("nina", Draw(prompt="a", loras=NAMED), chat_id="club")
    own = await say(OWNER, Draw(prompt="a", loras=NAMED))
    revoked = await say(OWNER, LoraRevoke("face", person=f"console:{STRANGER}"))
    assert revoked.ended == 1
    states = [(await harness.job(each.job_id)).state for each in (by_grant, by_chat, own)]
    assert states == [JobState.FAILED, JobState.QUEUED, JobState.QUEUED]


async def test_a_job_is_checked_again_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as harness:
        await Speaker(harness)(MEMBER, Draw(prompt="a", loras=NAMED))
    files = {"face": replace(FILES["face"], sidecar=replace(FILES["face"].sidecar, people=frozenset()))}
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness, harness.running():
        [result] = await harness.chat.wait_for_results(1)
        assert result.fail is FailReason.LORA_WITHDRAWN
        assert harness.renderer.received == []


async def test_each_use_is_recorded_once_with_its_job_person_content_and_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as harness, harness.running():
        say = Speaker(harness)
        receipt = await say(MEMBER, Draw(prompt="a", loras=(LoraWish("face"), LoraWish("open")), count=2))
        await say(MEMBER, Draw(prompt="a"))
        await harness.chat.wait_for_results(2)
        now_ms = harness.clock()
        uses = await harness.store.consents.uses_between(["face", "open"], now_ms, now_ms + 1)
        assert uses == (UseCount("face", 1, 2, 1), UseCount("open", 1, 2, 1))
        assert await harness.store.consents.uses_between(["face"], now_ms + 1, now_ms + 9) == ()
    database = sqlite3.connect(tmp_path / "sugarbot.db")
    rows = database.execute(
        "SELECT job, lora, sha256, pictures, at_ms FROM lora_use ORDER BY lora"
    ).fetchall()
    database.close()
    assert rows == [(receipt.job_id, name, name[0] * 64, 2, now_ms) for name in ("face", "open")]


async def test_a_repeated_event_revokes_once_and_gets_the_same_answer(harness: DeskHarness) -> None:
    context = a_context("once", OWNER)
    await harness.desk.store_events(Platform.CONSOLE, [("once", "{}")])
    await Speaker(harness)(MEMBER, Draw(prompt="a", loras=NAMED))
    first = await harness.desk.handle(LoraRevoke("face"), context)
    assert await harness.desk.handle(LoraRevoke("face"), context) == first == LoraRevoked("face", "", 1)
