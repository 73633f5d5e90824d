"""The preview strip of a LoRA: one face without it, at half and at full strength, side by side."""

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog
from PIL import Image, ImageDraw, ImageFont

from engine.durable import make_folder, write_file
from engine.errors import LoraMissing
from engine.request import LoraChoice, Picture
from engine.shelf import LoraFile

log = structlog.get_logger("bot.desk")

WEIGHTS = (0.0, 0.5, 1.0)
LABELS = ("base", "0.5", "1")
MAX_SIDE_PX = 512  # of one picture; three of them fit a phone
MAX_FILES = 256  # 256 strips of about 0.8 MB; the oldest are deleted first
GAP_PX = 4
PAPER, INK = "#14171c", "#e8eaee"

DrawSmall = Callable[[tuple[LoraChoice, ...]], Awaitable[Picture]]
"""Draws a trial picture: always the same prompt, seed and size."""


class PreviewStrips:
    """Makes the strips, one at a time, and keeps them in a folder by the hashes of file and weights.

    Args:
        folder: Created when the first strip is kept.
        weights: Of the model, as ``weights_fingerprint`` returns them.
        draw: Draws one picture.
        available_bytes: Returns how many bytes the disk has above its reserve; a strip without space is not
            kept, and drawn again for the next person.
    """

    def __init__(
        self, folder: Path, weights: str, draw: DrawSmall, available_bytes: Callable[[], Awaitable[int]]
    ) -> None:
        self._folder = folder
        self._weights = weights
        self._draw = draw
        self._available_bytes = available_bytes
        self._turn = asyncio.Lock()
        self._withdrawn: frozenset[str] = frozenset()

    async def of(self, file: LoraFile) -> bytes:
        """Return the strip of this file, a PNG.

        Raises:
            LoraMissing: It was withdrawn.
            EngineError: It cannot be drawn now.
        """
        path = self.path_of(file.sha256)
        async with self._turn:
            self._require_usable(file)
            if kept := await asyncio.to_thread(_read, path):
                self._require_usable(file)
                return kept
            pictures = []
            for weight in WEIGHTS:
                loras = (LoraChoice(file.name, file.sha256, weight),) if weight else ()
                pictures.append((await self._draw(loras)).png)
            strip = await asyncio.to_thread(compose, pictures)
            has_space = await self._available_bytes() >= len(strip)
            self._require_usable(file)
            if not has_space:
                log.warning("preview not kept", detail="the disk is below its reserve")
                return strip
            try:
                await asyncio.to_thread(_keep, path, strip)
            except OSError as error:
                log.warning("preview not kept", detail=str(error))
            if file.sha256 in self._withdrawn:  # while the strip was written
                await asyncio.to_thread(_delete, [path])
            self._require_usable(file)
            return strip

    def path_of(self, sha256: str) -> Path:
        """Return where the strip of this content is kept."""
        key = hashlib.sha256(f"{sha256} {self._weights}".encode()).hexdigest()[:32]
        return self._folder / f"{key}.png"

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Delete the strips of these contents, and do not show them from now on.

        Args:
            sha256: All that are withdrawn; they replace those of the previous call.
        """
        self._withdrawn = sha256
        paths = [self.path_of(each) for each in sha256]
        asyncio.get_running_loop().run_in_executor(None, _delete, paths)

    def _require_usable(self, file: LoraFile) -> None:
        if file.sha256 in self._withdrawn:
            raise LoraMissing("It was withdrawn.", name=file.name)


def compose(pngs: Sequence[bytes]) -> bytes:
    """Return the pictures side by side, each with its label below, as a PNG. Blocking."""
    pictures = []
    for png in pngs:
        with Image.open(io.BytesIO(png)) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
        pictures.append(picture)
    width, height = pictures[0].size
    label_px = max(16, height // 10)
    total_px = len(pictures) * width + (len(pictures) - 1) * GAP_PX
    strip = Image.new("RGB", (total_px, height + label_px), PAPER)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=0.7 * label_px)
    for place, (picture, label) in enumerate(zip(pictures, LABELS, strict=True)):
        left = place * (width + GAP_PX)
        strip.paste(picture, (left, 0))
        draw.text((left + width / 2, height + label_px / 2), label, fill=INK, font=font, anchor="mm")
    buffer = io.BytesIO()
    strip.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("preview not deleted", detail=str(error))


def _keep(path: Path, strip: bytes) -> None:
    make_folder(path.parent)
    write_file(path, strip)
    kept = sorted(path.parent.glob("*.png"), key=lambda each: each.stat().st_mtime_ns)
    for old in kept[:-MAX_FILES]:
        old.unlink(missing_ok=True)
