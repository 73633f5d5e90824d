"""The preview strip: three labelled pictures in one, kept by the hash of the file."""

import asyncio
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.desk.shelf import preview
from bot.desk.shelf.preview import LABELS, PreviewStrips, compose
from engine.errors import LoraMissing, RenderError
from engine.request import LoraChoice, Picture
from engine.shelf import LoraFile
from tests.integration.engine.host.hosting import eventually

SUGAR = LoraFile(name="sugar", path=Path("sugar.safetensors"), sha256="a" * 64, bytes=1, rank=4)
COLOURS = {0.0: (200, 0, 0), 0.5: (0, 200, 0), 1.0: (0, 0, 200)}


def png_of(colour: tuple[int, int, int], size: tuple[int, int] = (64, 96)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


class Drawer:
    """Draws a colour for each strength."""

    def __init__(self) -> None:
        self.asked: list[tuple[LoraChoice, ...]] = []
        self.size = (64, 96)

    async def __call__(self, loras: tuple[LoraChoice, ...]) -> Picture:
        await asyncio.sleep(0)
        self.asked.append(loras)
        weight = loras[0].weight if loras else 0.0
        return Picture(0, 1, *self.size, png_of(COLOURS[weight], self.size))


async def plenty() -> int:
    return 2**40


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


async def test_a_withdrawn_lora_leaves_no_strip(tmp_path: Path) -> None:
    draw = Drawer()
    strips = PreviewStrips(tmp_path, "model", draw, plenty)
    other = LoraFile(name="other", path=Path("o"), sha256="b" * 64, bytes=1, rank=4)
    await strips.of(SUGAR)
    await strips.of(other)
    [kept] = set(files_in(tmp_path)) - {strips.path_of("a" * 64)}
    strips.withdraw(frozenset({"a" * 64}))
    await eventually(lambda: files_in(tmp_path) == [kept])
    with pytest.raises(LoraMissing):
        await strips.of(SUGAR)
    strips.withdraw(frozenset())
    assert await strips.of(SUGAR)


async def test_a_strip_that_is_drawn_during_the_withdrawal_is_not_shown(tmp_path: Path) -> None:
    draw = Drawer()

    async def withdraw_first(loras: tuple[LoraChoice, ...]) -> Picture:
        strips.withdraw(frozenset({"a" * 64}))
        return await draw(loras)

    strips = PreviewStrips(tmp_path, "model", withdraw_first, plenty)
    with pytest.raises(LoraMissing):
        await strips.of(SUGAR)
    assert len(draw.asked) == len(preview.WEIGHTS)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("step", ["_keep", "_read"])
async def test_a_strip_that_is_on_its_way_to_or_from_the_disk_during_the_withdrawal_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    strips = PreviewStrips(tmp_path, "model", Drawer(), plenty)
    if step == "_read":
        await strips.of(SUGAR)
    begun, may_go, take = threading.Event(), threading.Event(), getattr(preview, step)

    def take_late(*values: Any) -> Any:
        read = take(*values) if step == "_read" else b""
        begun.set()
        may_go.wait(60)
        return read or take(*values)

    monkeypatch.setattr(preview, step, take_late)
    asking = asyncio.create_task(strips.of(SUGAR))
    await asyncio.to_thread(begun.wait, 60)
    strips.withdraw(frozenset({"a" * 64}))
    await asyncio.to_thread(lambda: None)  # the files that were there are deleted
    may_go.set()
    with pytest.raises(LoraMissing):
        await asking
    await eventually(lambda: files_in(tmp_path) == [])


def test_the_pictures_stand_side_by_side_above_their_labels() -> None:
    strip = opened(compose([png_of(colour) for colour in COLOURS.values()]))
    assert strip.format == "PNG"
    assert strip.width == 3 * 64 + 2 * preview.GAP_PX
    assert strip.height > 96
    seen = [strip.getpixel((32 + place * (64 + preview.GAP_PX), 48)) for place in range(3)]
    assert seen == list(COLOURS.values())
    for place in range(len(LABELS)):
        left = place * (64 + preview.GAP_PX)
        label = strip.crop((left, 97, left + 64, strip.height)).getcolors(10_000)
        assert label is not None
        assert len(label) > 1, "nothing is written"


def test_large_pictures_are_made_smaller_in_their_shape() -> None:
    strip = opened(compose([png_of((9, 9, 9), (1024, 768))] * 3))
    assert strip.width == 3 * 512 + 2 * preview.GAP_PX


async def test_a_strip_is_drawn_once_for_each_content_and_model(tmp_path: Path) -> None:
    drawer = Drawer()
    strips = PreviewStrips(tmp_path / "previews", "tiny", drawer, plenty)
    first, second = await asyncio.gather(strips.of(SUGAR), strips.of(SUGAR))
    assert first == second
    assert [loras and loras[0].weight for loras in drawer.asked] == [(), 0.5, 1.0]
    assert await PreviewStrips(tmp_path / "previews", "tiny", drawer, plenty).of(SUGAR) == first
    assert len(drawer.asked) == 3
    await PreviewStrips(tmp_path / "previews", "other model", drawer, plenty).of(SUGAR)
    assert len(drawer.asked) == 6
    assert [oct(path.stat().st_mode & 0o777) for path in files_in(tmp_path / "previews")] == ["0o600"] * 2


async def test_the_oldest_strips_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "MAX_FILES", 2)
    for number in range(2):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"old")
        os.utime(path, (number, number))
    await PreviewStrips(tmp_path, "tiny", Drawer(), plenty).of(SUGAR)
    assert len(files_in(tmp_path)) == 2
    assert not (tmp_path / "0.png").exists()


async def test_a_picture_that_fails_keeps_nothing(tmp_path: Path) -> None:
    async def fail(loras: tuple[LoraChoice, ...]) -> Picture:
        raise RenderError

    with pytest.raises(RenderError):
        await PreviewStrips(tmp_path, "tiny", fail, plenty).of(SUGAR)
    assert not files_in(tmp_path)


async def test_a_disk_that_keeps_nothing_costs_only_the_next_drawing(tmp_path: Path) -> None:
    (tmp_path / "previews").write_text("a file where the folder should be")
    assert opened(await PreviewStrips(tmp_path / "previews", "tiny", Drawer(), plenty).of(SUGAR)).width


async def test_a_strip_that_would_use_the_reserve_of_the_disk_is_shown_but_not_kept(tmp_path: Path) -> None:
    available = [-1]

    async def available_bytes() -> int:
        return available[0]

    folder = tmp_path / "previews"
    strips = PreviewStrips(folder, "tiny", Drawer(), available_bytes)
    strip = await strips.of(SUGAR)
    available[0] = len(strip) - 1
    assert await strips.of(SUGAR) == strip
    assert files_in(folder) == []
    available[0] = len(strip)
    assert await strips.of(SUGAR) == strip
    assert len(files_in(folder)) == 1
