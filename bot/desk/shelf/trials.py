"""Small pictures of one face: they show that a LoRA works before anybody may rely on it, and what it does."""

import asyncio
import io
import secrets
from contextlib import suppress

from PIL import Image

from bot.commands.buttons import EXAMPLE_PROMPT
from bot.desk.drawing.loop import Renderer
from engine.checkpoint.model import ModelInfo
from engine.errors import (
    BlankPicture,
    LoraDrawsBlank,
    LoraMissing,
    LoraRejected,
    LoraWithoutEffect,
    RenderError,
)
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    Picture,
    RenderRequest,
)
from engine.shelf import LoraFile

PROMPT = EXAMPLE_PROMPT
SEED = 20_260_101
TRIAL_S = 300.0  # a cold worker loads its model first
MAX_SIDE_PX = 512  # enough to recognise a face; a quarter of the work of 1,024


class TrialPictures:
    """Draws trial pictures in the ordinary worker, one after the other, beside people's jobs.

    Args:
        renderer: Draws them; waiting for a slot keeps people's order as it is.
        model: Its smallest good size.
    """

    def __init__(self, renderer: Renderer, model: ModelInfo) -> None:
        self._renderer = renderer
        self._model = model
        self._turn = asyncio.Lock()
        self._base: Picture | None = None
        self._verified: set[str] = set()  # sha256 of files whose picture was good

    async def draw(self, loras: tuple[LoraChoice, ...]) -> Picture:
        """Draw the picture with these LoRAs: always the same prompt, seed and size.

        Raises:
            LoraRejected: The worker cannot use a LoRA.
            RenderError, WorkerLost, WorkerNotReady: It cannot be drawn now.
        """
        drawn: list[Picture] = []

        def listen(event: Event) -> None:
            if isinstance(event, Drawn):
                drawn.append(event.picture)

        width_px, height_px = self._size()
        request = RenderRequest(
            job_id=f"trial-{secrets.token_hex(8)}",
            attempt=1,
            prompt=PROMPT,
            width_px=width_px,
            height_px=height_px,
            seed=SEED,
            loras=loras,
            steps=self._model.steps,
        )
        try:
            async with self._turn:
                end = await self._renderer.render(request, listen)
        except asyncio.CancelledError:
            with suppress(Exception):
                self._renderer.cancel(request.job_id)
            raise
        if isinstance(end, Finished) and drawn:
            return drawn[0]
        if isinstance(end, Failed):
            raise _error_of(end)
        raise RenderError

    async def verify(self, file: LoraFile) -> None:
        """Draw the picture with this LoRA at its own strength, unless this content passed before.

        Raises:
            LoraRejected: The worker cannot use it, or the picture is blank, or equal to the base's.
            RenderError, WorkerLost, WorkerNotReady: Nothing is known: it cannot be drawn now.
        """
        if file.sha256 in self._verified:
            return
        self._base = self._base or await self.draw(())
        weight = file.weight or 1.0
        try:
            picture = await self.draw((LoraChoice(file.name, file.sha256, weight),))
        except BlankPicture as error:
            raise LoraDrawsBlank(name=file.name) from error
        if await asyncio.to_thread(_are_equal, self._base.png, picture.png):
            raise LoraWithoutEffect(name=file.name)
        self._verified.add(file.sha256)

    def _size(self) -> tuple[int, int]:
        model = self._model
        share = min(1.0, MAX_SIDE_PX / max(model.native_width_px, model.native_height_px))
        wanted = round(share * model.native_width_px), round(share * model.native_height_px)
        if model.allows(*wanted):
            return wanted
        return next(iter(model.nearest(*wanted)), (model.native_width_px, model.native_height_px))


def _error_of(end: Failed) -> LoraRejected | RenderError:
    match end.reason:
        case FailReason.LORA_REJECTED:
            return LoraRejected(end.detail)
        case FailReason.LORA_MISSING:
            return LoraMissing(end.detail)
        case FailReason.BLANK_PICTURE:
            return BlankPicture()
    return RenderError(end.detail)


def _are_equal(one: bytes, other: bytes) -> bool:
    """Whether two PNGs show the same pixels; their settings inside differ."""
    with Image.open(io.BytesIO(one)) as first, Image.open(io.BytesIO(other)) as second:
        return first.size == second.size and first.tobytes() == second.tobytes()
