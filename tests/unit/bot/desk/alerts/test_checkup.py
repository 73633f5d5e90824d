"""The daily check of the database finds what `sugarbot db check` finds, and delays nobody."""

import asyncio
from pathlib import Path

import pytest

from bot.desk.alerts.checkup import DatabaseCheckup
from bot.errors import DatabaseDamaged, DatabaseInUse
from tests.fakes.desk_harness import open_harness, until


async def test_a_sound_database_has_no_faults(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness, harness.running():
        await harness.accept("1")
        await harness.chat.wait_for_results(1)
        checkup = DatabaseCheckup(harness.store, first_s=0.0)
        assert checkup.faults is None
        run = asyncio.create_task(checkup.run())
        await until(lambda: checkup.faults is not None)
        assert checkup.faults == 0
        run.cancel()
        await asyncio.wait({run})


async def test_it_counts_the_faults_and_sees_what_was_committed_a_moment_ago(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.accept("1")
        await harness.store._run("UPDATE account SET credits = credits + 1")
        checkup = DatabaseCheckup(harness.store)
        await checkup.check()
        assert checkup.faults == 1


async def test_nobody_waits_for_it_and_it_waits_for_nobody(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        checkup = DatabaseCheckup(harness.store)
        async with harness.store.atomic(), asyncio.timeout(30):
            await asyncio.create_task(checkup.check())
        assert checkup.faults == 0


async def test_a_damaged_file_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_harness(tmp_path) as harness:
        checkup = DatabaseCheckup(harness.store)

        async def damaged() -> None:
            raise DatabaseDamaged(path="x", detail="y")

        monkeypatch.setattr(harness.store, "survey_aside", damaged)
        await checkup.check()
        assert checkup.faults == 1


async def test_a_database_that_cannot_be_read_now_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.alerts.checkup.AGAIN_S", 0.0)
    async with open_harness(tmp_path) as harness:
        checkup, survey, tries = DatabaseCheckup(harness.store, first_s=0.0), harness.store.survey_aside, 0

        async def locked() -> object:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise DatabaseInUse(path="x")
            return await survey()

        monkeypatch.setattr(harness.store, "survey_aside", locked)
        run = asyncio.create_task(checkup.run())
        await until(lambda: checkup.faults == 0)
        run.cancel()
        await asyncio.wait({run})


def test_a_file_that_is_no_database_any_more_is_damaged(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_harness(tmp_path) as harness:
            (tmp_path / "sugarbot.db").write_bytes(b"x" * 8_192)
            with pytest.raises(DatabaseDamaged):
                await harness.store.survey_aside()

    asyncio.run(check())
