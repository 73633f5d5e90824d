"""`sugarbot bench --article`: the method and the rows of the article this project starts from.

Its author measured Z-Image-Turbo with a face LoRA on an A10 and an A100, served by Xinference, from the click
to the picture shown. Here the same work goes through the running engine, from order to finished file.
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
from engine.checkpoint.model import ModelInfo, built_in_lora_folder
from engine.errors import WorkerLost
from engine.host import Host
from engine.planner.headroom import HeadroomProbe
from engine.request import Failed, Finished, LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.shelf import Shelf, read_shelf

log = structlog.get_logger("bot.cli.bench.article")

PROMPT = (
    "Sugar面部，纯欲甜妹脸部，淡颜系清甜长相，清透水光肌，微醺蜜桃腮红，"
    "薄涂裸粉唇釉，眼尾轻挑带慵懒笑意，细碎睫毛轻颤"
)
ROUND = 10  # pictures
USUAL, LARGE = (512, 768), (768, 1152)
AT_ONCE = (1, 2, 3, 5)
SWITCHES = 6

SizePx = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture that was asked for; ``end`` is None where it failed, and ``why`` says how."""

    seconds: float
    end: Finished | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Together:
    """Pictures asked for in the same moment."""

    shots: tuple[Shot, ...]

    @property
    def spread_s(self) -> float:
        """How much longer the last one took than the first; 0 where fewer than two succeeded."""
        seconds = [shot.seconds for shot in self.shots if shot.end]
        return max(seconds) - min(seconds) if seconds else 0.0

    @property
    def failures(self) -> int:
        """How many there were."""
        return sum(shot.end is None for shot in self.shots)


@dataclass(frozen=True, slots=True)
class Switch:
    """What another LoRA costs: how much longer its picture takes, and the part that fetches its weights."""

    longer_s: float
    lora_s: float


@dataclass
class Findings:
    """What was measured, in the article's order.

    Attributes:
        start_s: From the start of the process until it is ready.
        usual: Every picture of the rounds, at ``usual_px``.
        large: Ten in a row at ``large_px``.
        together: Pictures at once → how they fared.
        switch: None where the shelf has fewer than two LoRAs, or none of the pictures succeeded.
        used_bytes: The most that all programs held on the card; 0 without one.
    """

    info: WorkerInfo
    start_s: float
    first: Shot
    usual_px: SizePx
    large_px: SizePx
    usual: list[Shot] = field(default_factory=list)
    large: list[Shot] = field(default_factory=list)
    together: dict[int, Together] = field(default_factory=dict)
    switch: Switch | None = None
    used_bytes: int = 0

    @property
    def shots(self) -> list[Shot]:
        """Every picture of the table but those of the switch."""
        crowd = [shot for each in self.together.values() for shot in each.shots]
        return [self.first, *self.usual, *self.large, *crowd]


async def measure(settings: Settings, *, rounds: int, tell: Callable[[int], None]) -> Findings:
    """Start the engine and measure everything.

    Args:
        settings: Say which model, shelf and device.
        rounds: Of ten pictures; the article has five.
        tell: Called with the number of pictures drawn so far.

    Raises:
        ModelError: The model is not there, or cannot be loaded.
        WorkerNotReady: The worker does not start.
    """
    async with _opened(settings, tell) as (article, info, start_s):
        first = await article.shot(article.usual_px)
        findings = Findings(info, start_s, first, article.usual_px, article.large_px)
        findings.usual = [await article.shot(article.usual_px) for _ in range(rounds * ROUND)]
        findings.large = [await article.shot(article.large_px) for _ in range(ROUND)]
        for count in AT_ONCE:
            shots = await asyncio.gather(*(article.shot(article.usual_px) for _ in range(count)))
            findings.together[count] = Together(tuple(shots))
        findings.switch = await article.switch()
        findings.used_bytes = article.used_bytes
        return findings


@asynccontextmanager
async def _opened(
    settings: Settings, tell: Callable[[int], None]
) -> AsyncIterator[tuple["_Article", WorkerInfo, float]]:
    """The engine started, as the bot starts it, and ended afterwards."""
    config = settings.to_engine_config()
    model = await fetch_model(config)
    shelf = await asyncio.to_thread(read_shelf, [built_in_lora_folder(model), config.lora_dir], model)
    host = Host(config)
    probe = HeadroomProbe(config.device, config.reserve_bytes, host.held_bytes, host.device)
    began = time.perf_counter()
    try:
        info = await host.start()
        yield _Article(host, probe, model, shelf, tell), info, time.perf_counter() - began
    finally:
        await host.close()


class _Article:
    """Asks a running engine for pictures, each of a text it has not seen."""

    def __init__(
        self, host: Host, probe: HeadroomProbe, model: ModelInfo, shelf: Shelf, tell: Callable[[int], None]
    ) -> None:
        self._host = host
        self._probe = probe
        self._tell = tell
        self._numbers = itertools.count()
        self._loras = [LoraChoice(name, file.sha256, file.weight) for name, file in shelf.files.items()]
        self.usual_px, self.large_px = (_allowed(model, size) for size in (USUAL, LARGE))
        self.used_bytes = 0

    async def shot(self, size: SizePx, lora: int = 0) -> Shot:
        """Ask for one picture and wait for it, with the shelf's first LoRA if there is one."""
        number = next(self._numbers)
        request = RenderRequest(
            job_id=f"article-{number}", attempt=1, prompt=f"{PROMPT}，{number}", width_px=size[0],
            height_px=size[1], seed=number, loras=tuple(self._loras[lora : lora + 1]),
        )  # fmt: skip
        began = time.perf_counter()
        try:
            end = await self._host.render(request, lambda event: None)
        except WorkerLost as error:
            return Shot(time.perf_counter() - began, None, str(error))
        seconds = time.perf_counter() - began
        headroom = await asyncio.to_thread(self._probe.read)
        if headroom.device_name != "CPU":
            self.used_bytes = max(self.used_bytes, headroom.used_bytes)
        self._tell(number + 1)
        match end:
            case Finished():
                return Shot(seconds, end)
            case Failed(reason=reason, detail=detail):
                log.warning("a picture failed", reason=reason, detail=detail)
                return Shot(seconds, None, str(reason))
            case Stopped():
                return Shot(seconds, None, "stopped")

    async def switch(self) -> Switch | None:
        """Pictures in turns with two LoRAs against as many with one, at the usual size."""
        if len(self._loras) < 2:
            return None
        same = [await self.shot(self.usual_px, 1) for _ in range(SWITCHES + 1)][1:]
        turns = [await self.shot(self.usual_px, number % 2) for number in range(SWITCHES)]
        if not all(shot.end for shot in (*same, *turns)):
            return None
        longer_s = _median(turns) - _median(same)
        return Switch(longer_s, statistics.median(shot.end.timings.lora_s for shot in turns if shot.end))


def _median(shots: list[Shot]) -> float:
    return statistics.median(shot.seconds for shot in shots)


def _allowed(model: ModelInfo, size: SizePx) -> SizePx:
    """The article's size, or its like where the model draws no such."""
    return size if model.allows(*size) else model.nearest(*size)[0]
