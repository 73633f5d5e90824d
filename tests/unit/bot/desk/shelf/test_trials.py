"""Trial pictures: a LoRA that does nothing, or spoils a picture, is found before anybody relies on it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.desk.shelf.trials import TrialPictures
from engine.errors import LoraDrawsBlank, LoraMissing, LoraRejected, LoraWithoutEffect, RenderError
from engine.request import Drawn, Event, Failed, FailReason, Finished, Picture, RenderRequest, Timings
from engine.shelf import LoraFile, Sidecar
from tests.fakes.desk_harness import MODEL
from tests.fakes.renderer import Act, FakeRenderer, tiny_png

SUGAR = LoraFile(
    name="sugar", path=Path("s.safetensors"), sha256="a" * 64, bytes=1, rank=4, sidecar=Sidecar(weight=0.8)
)


class StyledRenderer(FakeRenderer):
    """Draws another colour with each LoRA; ``plain`` ones change nothing."""

    def __init__(self, plain: str = "") -> None:
        super().__init__()
        self.plain = plain

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Failed:  # type: ignore[override]
        has_effect = bool(request.loras) and request.loras[0].name != self.plain
        png = tiny_png(7 if has_effect else 1)
        listen(Drawn(request.job_id, 1, Picture(0, 1, 8, 8, png)))
        return Finished(request.job_id, 1, Timings(), peak_bytes=1)


async def test_a_lora_with_an_effect_passes_once_for_its_content() -> None:
    renderer = StyledRenderer()
    trials = TrialPictures(renderer, MODEL)
    await trials.verify(SUGAR)
    await trials.verify(SUGAR)
    assert [[lora.weight for lora in request.loras] for request in renderer.requests] == [[], [0.8]]
    first, second = renderer.requests
    assert (first.prompt, first.seed, first.width_px) == (second.prompt, second.seed, second.width_px)
    assert MODEL.allows(first.width_px, first.height_px)


async def test_a_lora_without_effect_is_refused_every_time() -> None:
    trials = TrialPictures(StyledRenderer(plain="sugar"), MODEL)
    for _ in range(2):
        with pytest.raises(LoraWithoutEffect):
            await trials.verify(SUGAR)


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        (FailReason.LORA_REJECTED, LoraRejected),
        (FailReason.LORA_MISSING, LoraMissing),
        (FailReason.BLANK_PICTURE, LoraDrawsBlank),
    ],
)
async def test_what_the_worker_refuses_is_refused(reason: FailReason, refusal: type[LoraRejected]) -> None:
    renderer = FakeRenderer([Act.DRAW, Act.FAIL], fail_reason=reason)
    with pytest.raises(refusal):
        await TrialPictures(renderer, MODEL).verify(SUGAR)


async def test_a_lost_worker_says_nothing_about_the_lora() -> None:
    renderer = FakeRenderer([Act.FAIL], fail_reason=FailReason.OUT_OF_MEMORY)
    with pytest.raises(RenderError):
        await TrialPictures(renderer, MODEL).verify(SUGAR)


async def test_a_trial_that_is_given_up_is_stopped() -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await TrialPictures(renderer, MODEL).verify(SUGAR)
    assert len(renderer.received) == 1
