"""The worker's pipeline with the built-in model in one format and placement."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from engine.checkpoint.model import read_model
from engine.config import Plan
from engine.demo.networks import LORAS, NATIVE, WEIGHTS
from engine.lora.finder import LoraFinder
from engine.reporting import JobReporter
from engine.request import Drawn, Event, LoraChoice, RenderRequest, StartPicture
from engine.shelf import read_shelf, sources_of
from engine.worker.failures import describe_failure
from engine.zimage.device import choose_placement
from engine.zimage.model_loader import load_pipeline
from engine.zimage.pipeline import Pipeline


class Drawer:
    """The worker's pipeline with the built-in model in one format and placement.

    Args:
        device: As the setting ``engine.device``; 8-bit formats need ``cpu``, because a card cannot multiply
            the built-in model's sides.
        plan: Format and placement.
    """

    def __init__(self, device: str, plan: Plan) -> None:
        model, placement = read_model(WEIGHTS), choose_placement(device)
        files = read_shelf([LORAS], model).files
        self._choices = {name: LoraChoice(name, file.sha256, 1.0) for name, file in files.items()}
        is_rounded = plan.has_encoder_in_eight_bits
        parts = load_pipeline(model.folder, placement, plan.base, plan.encoder, is_rounded)
        finder = LoraFinder([LORAS])
        finder.learn(sources_of(files.values(), self._choices.values()))
        self._pipeline = Pipeline(
            model, placement, parts, finder, plan.weight_format,
            plan=plan, blocks=parts.blocks,
        )  # fmt: skip

    def draw(self, prompts: Sequence[str], lora: str = "") -> Tensor:
        """Draw one picture per prompt, the i-th with seed i → float [B, 3, H, W], 0 … 1."""
        return torch.stack(
            [
                torch.from_numpy(opened(self.draw_file(prompt, seed, lora)).copy()).permute(2, 0, 1).float()
                / 255
                for seed, prompt in enumerate(prompts)
            ]
        )

    def draw_file(
        self,
        prompt: str,
        seed: int,
        lora: str = "",
        *,
        size: tuple[int, int] = NATIVE,
        start: StartPicture | None = None,
    ) -> bytes:
        """Draw one picture → its PNG file."""
        loras = (self._choices[lora],) if lora else ()
        width, height = size
        request = RenderRequest("judge", 1, prompt, width, height, seed, loras=loras, start=start)
        events: list[Event] = []
        reporter = JobReporter(request, events.append, describe_failure)
        reporter.report_end(self._pipeline.draw(request, reporter, lambda: False))
        reporter.wait()
        (drawn,) = (event for event in events if isinstance(event, Drawn))
        return drawn.picture.png

    def close(self) -> None:
        """End the pipeline's threads."""
        self._pipeline.close()


def opened(png: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels of a file: (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
