"""`sugarbot bench --article`: the method of the article that this project starts from.

Its author measured Z-Image-Turbo with a face LoRA on an A10 and an A100, served by Xinference, from the click
to the visible picture. Here the same work goes through the running engine, from the request to the finished
file.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from bot.settings import Settings
from engine.checkpoint.fetch import fetch_model
from engine.checkpoint.model import ModelInfo, lora_folders
from engine.errors import WorkerLost
from engine.host import Host
from engine.planner.headroom import HeadroomProbe
from engine.request import Failed, Finished, LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.shelf import Shelf, read_shelf, sources_of

log = structlog.get_logger("bot.cli.bench.article")

PROMPT = (
    "Sugar面部，纯欲甜妹脸部，淡颜系清甜长相，清透水光肌，微醺蜜桃腮红，"
    "薄涂裸粉唇釉，眼尾轻挑带慵懒笑意，细碎睫毛轻颤"
)
PICTURES_PER_ROUND = 10
USUAL_PX, LARGE_PX = (512, 768), (768, 1152)
SIMULTANEOUS = (1, 2, 3, 5)
LORA_SWITCHES = 6

ArticleSize = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TimedPicture:
    """One requested picture. ``end`` is None if it failed; then ``reason`` says why."""

    seconds: float
    end: Finished | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SimultaneousPictures:
    """Pictures that were requested at the same moment."""

    pictures: tuple[TimedPicture, ...]

    @property
    def spread_s(self) -> float:
        """How much longer the slowest took than the fastest; 0 if fewer than two succeeded."""
        seconds = [picture.seconds for picture in self.pictures if picture.end]
        return max(seconds) - min(seconds) if seconds else 0.0

    @property
    def failures(self) -> int:
        """The number of failed pictures."""
        return sum(picture.end is None for picture in self.pictures)


@dataclass(frozen=True, slots=True)
class LoraSwitchCost:
    """The cost of a different LoRA: the additional time of its picture, and the time to fetch its weights."""

    longer_s: float
    lora_s: float


@dataclass
class ArticleResults:
    """All measurements, in the article's order.

    Attributes:
        start_s: From the start of the process until it is ready.
        usual: All pictures of the rounds, at ``usual_px``.
        large: Ten pictures in a row, at ``large_px``.
        simultaneous: Number of simultaneous pictures → their results.
        switch: None if the shelf has fewer than two LoRAs or a picture failed.
        used_bytes: The peak memory of all programs on the card; 0 without a card.
    """

    info: WorkerInfo
    start_s: float
    first: TimedPicture
    usual_px: ArticleSize
    large_px: ArticleSize
    usual: list[TimedPicture] = field(default_factory=list)
    large: list[TimedPicture] = field(default_factory=list)
    simultaneous: dict[int, SimultaneousPictures] = field(default_factory=dict)
    switch: LoraSwitchCost | None = None
    used_bytes: int = 0

    @property
    def pictures(self) -> list[TimedPicture]:
        """All pictures of the table except those of the LoRA switch."""
        simultaneous = [picture for each in self.simultaneous.values() for picture in each.pictures]
        return [self.first, *self.usual, *self.large, *simultaneous]


async def measure(settings: Settings, *, rounds: int, on_picture: Callable[[int], None]) -> ArticleResults:
    """Start the engine and measure everything.

    Args:
        settings: The model, the shelf and the device.
        rounds: Number of rounds of ten pictures; the article has five.
        on_picture: Called with the number of pictures drawn so far.

    Raises:
        ModelError: The model is missing or cannot be loaded.
        WorkerNotReady: The worker does not start.
    """
    async with _open_engine(settings, on_picture) as (measurement, info, start_s):
        first = await measurement.draw(measurement.usual_px)
        results = ArticleResults(info, start_s, first, measurement.usual_px, measurement.large_px)
        results.usual = [
            await measurement.draw(measurement.usual_px) for _ in range(rounds * PICTURES_PER_ROUND)
        ]
        results.large = [await measurement.draw(measurement.large_px) for _ in range(PICTURES_PER_ROUND)]
        for count in SIMULTANEOUS:
            pictures = await asyncio.gather(*(measurement.draw(measurement.usual_px) for _ in range(count)))
            results.simultaneous[count] = SimultaneousPictures(tuple(pictures))
        results.switch = await measurement.switch()
        results.used_bytes = measurement.used_bytes
        return results


@asynccontextmanager
async def _open_engine(
    settings: Settings, on_picture: Callable[[int], None]
) -> AsyncIterator[tuple["_Measurement", WorkerInfo, float]]:
    """Start the engine as the bot does; close it after the block."""
    config = settings.to_engine_config()
    model = await fetch_model(config)
    shelf = await asyncio.to_thread(read_shelf, lora_folders(config, model), model)
    host = Host(config)
    probe = HeadroomProbe(config.device, config.reserve_bytes, host.held_bytes, host.device)
    began = time.perf_counter()
    try:
        info = await host.start()
        yield _Measurement(host, probe, model, shelf, on_picture), info, time.perf_counter() - began
    finally:
        await host.close()


class _Measurement:
    """Requests pictures from a running engine, each with a new prompt."""

    def __init__(
        self,
        host: Host,
        probe: HeadroomProbe,
        model: ModelInfo,
        shelf: Shelf,
        on_picture: Callable[[int], None],
    ) -> None:
        self._host = host
        self._probe = probe
        self._on_picture = on_picture
        self._numbers = itertools.count()
        self._loras = [LoraChoice(name, file.sha256, file.weight) for name, file in shelf.files.items()]
        self._files = list(shelf.files.values())
        self.usual_px, self.large_px = (_allowed(model, size) for size in (USUAL_PX, LARGE_PX))
        self.used_bytes = 0

    async def draw(self, size: ArticleSize, lora: int = 0) -> TimedPicture:
        """Draw one picture with the LoRA of this number on the shelf; without one if the shelf is empty."""
        number = next(self._numbers)
        loras = tuple(self._loras[lora : lora + 1])
        request = RenderRequest(
            job_id=f"article-{number}", attempt=1, prompt=f"{PROMPT}，{number}", width_px=size[0],
            height_px=size[1], seed=number, loras=loras, lora_files=sources_of(self._files, loras),
        )  # fmt: skip
        began = time.perf_counter()
        try:
            end = await self._host.render(request, lambda event: None)
        except WorkerLost as error:
            return TimedPicture(time.perf_counter() - began, None, str(error))
        seconds = time.perf_counter() - began
        headroom = await asyncio.to_thread(self._probe.read)
        if headroom.device_name != "CPU":
            self.used_bytes = max(self.used_bytes, headroom.used_bytes)
        self._on_picture(number + 1)
        match end:
            case Finished():
                return TimedPicture(seconds, end)
            case Failed(reason=reason, detail=detail):
                log.warning("picture failed", reason=reason, detail=detail)
                return TimedPicture(seconds, None, str(reason))
            case Stopped():
                return TimedPicture(seconds, None, "stopped")

    async def switch(self) -> LoraSwitchCost | None:
        """Compare pictures that alternate between two LoRAs with as many pictures of one LoRA."""
        if len(self._loras) < 2:
            return None
        same = [await self.draw(self.usual_px, 1) for _ in range(LORA_SWITCHES + 1)][1:]
        turns = [await self.draw(self.usual_px, number % 2) for number in range(LORA_SWITCHES)]
        if not all(picture.end for picture in (*same, *turns)):
            return None
        longer_s = _median(turns) - _median(same)
        return LoraSwitchCost(
            longer_s, statistics.median(picture.end.timings.lora_s for picture in turns if picture.end)
        )


def _median(pictures: list[TimedPicture]) -> float:
    return statistics.median(picture.seconds for picture in pictures)


def _allowed(model: ModelInfo, size: ArticleSize) -> ArticleSize:
    """The article's size, or the nearest size that the model draws."""
    return size if model.allows(*size) else model.nearest(*size)[0]
