"""Pictures expire after their days: their people read it, and their files go unless others have them."""

import os
from pathlib import Path

from bot.commands.values import Draw, Mine
from bot.messages import format_outcome
from bot.outcomes import History, Receipt
from bot.store.rows import PictureForm
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context, is_delivered, open_harness, until
from tests.fakes.pictures import file_name_of
from tests.unit.bot.store.stored import a_hash


async def draw(harness: DeskHarness, prompt: str, *, user: str = "ann", count: int = 1, seed: int = 5) -> str:
    done = len(harness.chat.results)
    drawing = Draw(prompt=prompt, count=count, seed=seed)
    receipt = await harness.desk.handle(drawing, a_context(f"{user} {done}", user))
    assert isinstance(receipt, Receipt)
    await harness.chat.wait_for_results(done + 1)
    await until(lambda: is_delivered(harness.folder))
    return receipt.job_id


async def test_old_pictures_are_deleted_and_their_person_reads_that_they_expired(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness, harness.running():
        old = await draw(harness, "an old face", count=2)
        (tmp_path / "pictures" / "holiday.png").touch()  # not ours
        os.utime(tmp_path / "pictures" / "holiday.png", (1, 1))
        clock.advance(days=31)
        new = await draw(harness, "a new face", seed=50)
        await harness.expiry(0).tidy(clock())
        assert len(harness.picture_files) == 4, "0 keeps them for ever"
        await harness.expiry(30).tidy(clock())
        kept = [await harness.picture_file(new), tmp_path / "pictures" / "holiday.png"]
        assert harness.picture_files == sorted(kept)
        rows = await harness.store.jobs.pictures_of([old])
        history = await harness.desk.handle(Mine(), a_context("3"))
    assert {(row.form, row.sha256) for row in rows} == {(PictureForm.EXPIRED, "")}
    assert isinstance(history, History)
    assert [(len(entry.pictures), entry.missing) for entry in history.entries] == [(1, 0), (0, 2)]
    for locale, word in (("en", "expired"), ("zh-CN", "过期")):
        newest, oldest, why = format_outcome(history, locale).splitlines()[1:]
        assert word not in newest
        assert word in oldest
        assert word in why.casefold()


async def test_a_picture_expires_though_somebody_has_the_same_one_for_longer(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness, harness.running():
        await draw(harness, "a face")
        clock.advance(days=20)
        younger = await draw(harness, "a face", user="ben")
        clock.advance(days=15)
        await harness.expiry(30).tidy(clock())
        ann, ben = [
            await harness.desk.handle(Mine(), a_context(f"look {user}", user)) for user in ("ann", "ben")
        ]
        assert harness.picture_files == [await harness.picture_file(younger)]
    assert isinstance(ann, History)
    assert isinstance(ben, History)
    assert (ann.entries[0].pictures, ann.entries[0].missing) == ((), 1)
    assert (len(ben.entries[0].pictures), ben.entries[0].missing) == (1, 0)


async def test_files_of_another_database_stay_as_long_as_pictures_do(tmp_path: Path) -> None:
    """A restore may be undone: what only the replaced database names is not deleted at once."""
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness, harness.running():
        job_id = await draw(harness, "a face")
        known = await harness.picture_file(job_id)
        old, young = (tmp_path / "pictures" / file_name_of(a_hash(word)) for word in ("old", "young"))
        earlier = tmp_path / "pictures" / "1m3250v00shy4w7c-0.png"
        for path, days in ((old, 31), (young, 29), (earlier, 31), (known, 31)):
            path.parent.mkdir(exist_ok=True)
            path.touch()
            os.utime(path, (clock() / 1_000 - days * 86_400,) * 2)
        await harness.expiry(0).tidy(clock())
        assert old.exists()
        await harness.expiry(30).tidy(clock())
        assert harness.picture_files == sorted([known, young])
