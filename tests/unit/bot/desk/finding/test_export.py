"""The ZIP files of one's own pictures and settings."""

import csv
import hashlib
import io
import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, Export
from bot.desk.files import save_pictures
from bot.desk.finding.export import MOST_JOBS, ExportLimits, PictureExport
from bot.errors import ExportRunning, NoDiskSpace, NoPicturesYet, NotInPublic
from bot.outcomes import ExportReady, Platform
from bot.policy.rules import Rules
from bot.store.finding.queries import JobPage
from bot.store.rows import JobRow, PictureRow
from tests.fakes.desk_harness import DeskHarness, a_context, in_group, open_harness


async def draw(harness: DeskHarness, *prompts: str, before: int = 0) -> None:
    async with harness.running():
        for number, prompt in enumerate(prompts):
            await harness.desk.handle(Draw(prompt=prompt, count=2), a_context(str(number)))
            await harness.chat.wait_for_results(before + number + 1)
            harness.clock.advance(seconds=1)


async def export(harness: DeskHarness, limits: ExportLimits | None = None, user: str = "ann") -> ExportReady:
    made = harness.desk.parts.export
    if limits:
        made = PictureExport(
            store=harness.store,
            space=harness.desk.parts.space,
            pictures_dir=harness.folder / "pictures",
            folder=harness.folder / "exports",
            clock=harness.clock,
            limits={Platform.CONSOLE: limits},
        )
        return await made.export(Export(), a_context("x", user))
    ready = await harness.desk.handle(Export(), a_context("x", user))
    assert isinstance(ready, ExportReady)
    return ready


async def test_one_s_own_pictures_and_settings_are_packed_for_oneself_alone(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="another's"), a_context("b", "ben"))
    await draw(harness, "=a fox", "一只猫", before=1)
    ready = await export(harness)
    assert (ready.pictures, ready.left_out, ready.expired) == (4, 0, 0)
    [path] = ready.parts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        assert len(packed.namelist()) == 6
        jobs = json.loads(packed.read("settings.json"))
        table = list(csv.DictReader(io.StringIO(packed.read("settings.csv").decode("utf-8-sig"))))
        for name in packed.namelist()[2:]:
            job_id, _, index = name.removesuffix(".png").rpartition("-")
            assert packed.read(name) == (await harness.picture_file(job_id, int(index))).read_bytes()
    assert [job["prompt"] for job in jobs] == ["一只猫", "=a fox"]
    assert [row["prompt"] for row in table] == ["一只猫", "'=a fox"], "no spreadsheet runs it"
    assert all(len(job["recipe"]) == 14 for job in jobs)


async def test_what_does_not_fit_is_left_out_from_the_oldest_on(harness: DeskHarness) -> None:
    await draw(harness, "a fox", "a cat", "a dog")
    large = bytes(100_000)
    sha256 = hashlib.sha256(large).hexdigest()
    save_pictures([PictureRow("any", 0, 1, sha256)], [large], harness.folder / "pictures")
    await harness.store._run(f"UPDATE picture SET sha256 = '{sha256}'")  # noqa: S608
    limits = ExportLimits(part_bytes=250_000, parts=2)
    ready = await export(harness, limits)
    assert len(ready.parts) == 2
    assert (ready.pictures, ready.left_out) == (4, 2)
    names = []
    for part in ready.parts:
        assert part.stat().st_size <= limits.part_bytes
        with zipfile.ZipFile(part) as packed:
            names += [name for name in packed.namelist() if name.endswith(".png")]
    rows = await harness.store._run("SELECT job, idx FROM picture ORDER BY job DESC, idx")
    assert names == [f"{row['job']}-{row['idx']}.png" for row in rows][: ready.pictures]


async def test_expired_pictures_are_counted_and_their_settings_stay(harness: DeskHarness) -> None:
    await draw(harness, "a fox")
    harness.picture_files[0].unlink()
    ready = await export(harness)
    assert (ready.pictures, ready.expired) == (1, 1)


async def test_a_damaged_picture_is_left_out_and_counted(harness: DeskHarness) -> None:
    await draw(harness, "a fox")
    [row, whole] = await harness.store._run("SELECT job, idx FROM picture ORDER BY idx")
    damaged = await harness.picture_file(row["job"], 0)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
    ready = await export(harness)
    assert (ready.pictures, ready.left_out, ready.expired) == (1, 0, 1)
    with zipfile.ZipFile(ready.parts[0]) as packed:
        assert packed.namelist()[2:] == [f"{whole['job']}-1.png"]


async def test_of_a_person_s_exports_the_last_two_lie_on_the_disk(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="another's"), a_context("b", "ben"))
    await draw(harness, "a fox", before=1)
    made = [await export(harness) for _ in range(4)]
    assert [part.exists() for ready in made for part in ready.parts] == [False, False, True, True]
    await export(harness, user="ben")
    assert made[-1].parts[0].exists()


async def test_an_export_has_as_many_jobs_as_it_says(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    page = harness.store.finding.page

    async def noted(wanted: JobPage) -> tuple[JobRow, ...]:
        looked_at.append(wanted.most)
        return await page(wanted)

    monkeypatch.setattr(harness.store.finding, "page", noted)
    await draw(harness, "a fox")
    await export(harness)
    assert looked_at == [MOST_JOBS]
    assert [job.recipe.typed for job in await page(JobPage(1, 9, most=1))] == ["a fox"]


async def test_an_export_is_refused_with_its_reason(tmp_path: Path) -> None:
    rules = Rules(allow=frozenset({"telegram:*", "discord:*"}))
    async with open_harness(tmp_path, rules=rules) as harness:
        with pytest.raises(NoPicturesYet):
            await export(harness)
        await draw(harness, "a fox")
        for platform in (Platform.TELEGRAM, Platform.DISCORD):  # a mention is answered in the channel
            with pytest.raises(NotInPublic):
                await harness.desk.handle(Export(), replace(in_group("g"), platform=platform))
        harness.desk.parts.export._people.add(1)
        with pytest.raises(ExportRunning):
            await export(harness)
    async with open_harness(tmp_path) as harness:
        harness.desk.parts.space._measured_s = float("inf")  # it was measured, and no byte was free
        with pytest.raises(NoDiskSpace):
            await export(harness)
    assert not (tmp_path / "exports").exists()
