"""A damaged picture is never sent as if it were whole; its person learns how to draw it again."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, Enlarge, Original, Pick, Quota
from bot.desk.files import read_picture
from bot.errors import PicturesDamaged, StartGone
from bot.messages import format_error, format_outcome
from bot.outcomes import CreditBalance, Originals, Receipt
from bot.store.rows import PictureRow
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness


async def drawn(harness: DeskHarness, count: int) -> tuple[str, list[Path]]:
    """A job with its pictures, delivered; its id and its files."""
    receipt = await harness.desk.handle(Draw(prompt="a face", count=count), a_context("1"))
    assert isinstance(receipt, Receipt)
    await harness.chat.wait_for_results(1)
    return receipt.job_id, [picture.path for picture in harness.chat.results[0].pictures]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_originals_leave_damaged_files_out_and_say_so(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness, harness.running():
        job_id, files = await drawn(harness, 2)
        damage(files[0])
        found = await harness.desk.handle(Original(job_id), a_context("2"))
        assert isinstance(found, Originals)
        assert ([picture.index for picture in found.pictures], found.damaged) == ([1], 1)
        for locale in ("en", "zh-CN"):
            assert f"/recipe {job_id}" in format_outcome(found, locale)
        damage(files[1])
        with pytest.raises(PicturesDamaged) as caught:
            await harness.desk.handle(Original(job_id), a_context("3"))
    assert f"/recipe {job_id}" in format_error(caught.value, "zh-CN")


async def test_a_damaged_picture_of_a_batch_is_not_shown_alone(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness, harness.running():
        job_id, files = await drawn(harness, 2)
        damage(files[1])
        with pytest.raises(PicturesDamaged):
            await harness.desk.handle(Pick(job_id, 1), a_context("2"))
        await harness.desk.handle(Pick(job_id, 0), a_context("3"))


async def test_nothing_begins_with_a_damaged_picture_and_nothing_is_charged(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness, harness.running():
        job_id, files = await drawn(harness, 1)
        before = await harness.desk.handle(Quota(), a_context("2"))
        damage(files[0])
        with pytest.raises(StartGone):
            await harness.desk.handle(Enlarge(job_id, 0), a_context("3"))
        after = await harness.desk.handle(Quota(), a_context("4"))
    assert isinstance(before, CreditBalance)
    assert isinstance(after, CreditBalance)
    assert before.credits == after.credits


async def test_a_picture_that_is_damaged_before_its_delivery_is_not_delivered(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        async with harness.running():
            job_id, files = await drawn(harness, 2)
        damage(files[0])
        async with harness.store.atomic():
            await harness.store._run("UPDATE outbox SET state = 'ready' WHERE job = :job", {"job": job_id})
        async with harness.running():
            await harness.chat.wait_for_results(2)
    again = harness.chat.results[1]
    assert ([picture.index for picture in again.pictures], again.missing) == ([1], 1)


def test_a_picture_from_before_the_hashes_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "j-0.png").write_bytes(b"picture")
    row = PictureRow("j", 0, 7, "", earlier_name="j-0.png")
    assert read_picture(row, tmp_path) == b"picture"
    assert read_picture(replace(row, sha256="0" * 64), tmp_path) is None
    assert read_picture(replace(row, earlier_name="j-1.png"), tmp_path) is None
