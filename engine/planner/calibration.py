"""Measures what pictures take where nothing is known: two pictures in two steps each, when a worker is ready.

The small one is drawn without a LoRA, the large one with one if there is any. They need as much memory as all
steps would, and one or two seconds on a common card. Nobody's job is drawn before, and the pictures are
thrown away. What goes wrong is only logged: jobs are then predicted by the priors.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog

from engine.checkpoint.model import ModelInfo
from engine.config import Plan
from engine.planner.costs.book import CostBook
from engine.request import (
    Event,
    Failed,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

STEPS = 2  # the first of a shape takes longer than any other
SMALL, LARGE = (256, 256), (1024, 1024)
LIMIT_S = 30.0  # a card that takes longer keeps nobody waiting

log = structlog.get_logger(__name__)


FindLora = Callable[[], Awaitable[tuple[tuple[LoraChoice, ...], tuple[LoraSource, ...]]]]


class Calibration:
    """Reports each worker to the cost book, and calibrates it once for each card, version and plan.

    Args:
        costs: The book.
        model: Which the worker draws with.
        find_lora: Returns a LoRA that may be used, and its files; both empty if no LoRA may be used.
        read_driver: Returns the version of the card's driver; may block.
    """

    def __init__(
        self,
        costs: CostBook,
        model: ModelInfo,
        find_lora: FindLora,
        read_driver: Callable[[], str],
    ) -> None:
        self._costs = costs
        self._model = model
        self._find_lora = find_lora
        self._read_driver = read_driver
        self._tried: set[str] = set()  # once in a run, so that a worker that dies of it is not asked again

    async def run(
        self,
        worker: WorkerInfo,
        plan: Plan | None,
        draw: Callable[[RenderRequest, Callable[[Event], None]], Awaitable[Finished | Stopped | Failed]],
    ) -> None:
        """Prepare the book for this worker; pass it to ``Host``.

        Raises:
            WorkerLost: The worker ended at a picture.
        """
        driver = await asyncio.to_thread(self._read_driver)
        self._costs.started(worker, plan, driver)
        kind = f"{worker.device_name}, {plan.kind if plan else 'no plan'}"
        if self._costs.is_calibrated or worker.device == "cpu" or kind in self._tried:
            return
        self._tried.add(kind)
        try:
            async with asyncio.timeout(LIMIT_S):
                for request in self._requests(*await self._find_lora()):
                    if not self._learn(request, await draw(request, lambda event: None)):
                        return
        except TimeoutError:
            log.warning("not calibrated, because it takes too long", limit_s=LIMIT_S)

    def _learn(self, request: RenderRequest, outcome: Finished | Stopped | Failed) -> bool:
        """Teach the book a picture; return whether it was drawn."""
        size = f"{request.width_px} x {request.height_px}"
        if not isinstance(outcome, Finished):
            log.warning("not calibrated", size=size)
            return False
        self._costs.learn(request, outcome, is_job=False)
        log.info(
            "calibrated",
            size=size,
            peak_bytes=outcome.peak_bytes,
            kept_bytes=outcome.kept_bytes,
            denoise_s=round(outcome.timings.denoise_s, 2),
        )
        return True

    def _requests(
        self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...]
    ) -> Iterator[RenderRequest]:
        native = self._model.native_width_px, self._model.native_height_px
        for number, (wanted, chosen) in enumerate(((SMALL, ()), (LARGE, loras))):
            width, height = wanted if self._model.allows(*wanted) else native
            yield RenderRequest(
                f"calibration-{number}", 1, "a face", width, height, 7,
                loras=chosen, steps=STEPS, lora_files=files,
            )  # fmt: skip
