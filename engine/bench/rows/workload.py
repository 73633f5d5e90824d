"""The workload that all contenders share: one set of weights, three sizes, LoRAs and prompts."""

import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ZImagePipeline
from torch import Tensor

from engine.bench.random_model import LIMITS, TINY_LIMITS, random_pipeline, silence_libraries
from engine.bench.rows.random_loras import RandomLoras
from engine.checkpoint.model import BUILT_IN_WEIGHTS, ModelInfo, read_model
from engine.zimage.device import Placement

PROMPT = "Sugar面部，清透水光肌，微醺蜜桃腮红，薄涂裸粉唇釉，眼尾轻挑带慵懒笑意，细碎睫毛轻颤"
SIZES = {"E1": (512, 768), "E2": (1024, 1024), "E3": (512, 512)}  # Z-Image-Turbo's native size is the first

PictureSize = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: Pictures per median.
        pictures: Pictures in each of the two queues of E6.
        switches: LoRA switches in E5 before the base weights are compared.
    """

    rounds: int
    pictures: int
    switches: int


ON_CARD = Effort(rounds=5, pictures=48, switches=300)
ON_CPU = Effort(rounds=3, pictures=12, switches=20)  # where a picture takes seconds


class Workload:
    """One set of weights, and what is drawn with it.

    Attributes:
        folder: The checkpoint; None for random weights.
        sizes: Row → size in px.
        references: Picture of E9 → the library's latents in host memory, from the stock contender.

    Args:
        pipeline: On its device. No contender changes its modules; each uses a ``twin``.
    """

    def __init__(
        self,
        pipeline: Any,
        model: ModelInfo,
        placement: Placement,
        folder: Path | None,
        effort: Effort,
        scratch: Path,
    ) -> None:
        self._pipeline = pipeline
        self._count = itertools.count()
        self.model = model
        self.placement = placement
        self.folder = folder
        self.effort = effort
        self.sizes: Mapping[str, PictureSize] = scaled(model)
        linears = {
            name: (module.out_features, module.in_features)
            for name, module in pipeline.transformer.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        self.loras = RandomLoras(linears, scratch, placement.device, placement.dtype)
        self.references: dict[Any, Tensor] = {}

    @classmethod
    def load(cls, folder: Path, placement: Placement, effort: Effort, scratch: Path) -> "Workload":
        """Load a checkpoint.

        Raises:
            ModelError: The folder is missing, incomplete or too large for the device.
        """
        model = read_model(folder)
        pipeline = ZImagePipeline.from_pretrained(folder, dtype=placement.dtype, local_files_only=True)
        pipeline.to(placement.device)
        pipeline.set_progress_bar_config(disable=True)
        return cls(pipeline, model, placement, folder, effort, scratch)

    @classmethod
    def random(cls, placement: Placement, effort: Effort, scratch: Path, *, is_tiny: bool) -> "Workload":
        """Make random weights, of real size or tiny. Speed does not depend on their values."""
        silence_libraries()
        pipeline = random_pipeline(placement.device, placement.dtype, is_tiny=is_tiny)
        pipeline.set_progress_bar_config(disable=True)
        limits = TINY_LIMITS if is_tiny else LIMITS
        name = "random weights, tiny" if is_tiny else "random weights of Z-Image-Turbo's size"
        model = ModelInfo(name=name, folder=BUILT_IN_WEIGHTS, **limits)
        return cls(pipeline, model, placement, None, effort, scratch)

    def twin(self) -> Any:
        """Return a copy of the pipeline whose modules are its own but share all weights except the VAE's.

        So a contender may compile, wrap and cut its modules without an effect on the next contender.
        """
        parts = dict(self._pipeline.components)
        for name in ("text_encoder", "transformer"):
            module = parts[name]
            shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
            parts[name] = copy.deepcopy(module, shared)
        parts["vae"] = copy.deepcopy(parts["vae"])  # a contender may change its memory format
        parts["scheduler"] = copy.deepcopy(parts["scheduler"])
        twin = type(self._pipeline)(**parts)
        twin.set_progress_bar_config(disable=True)
        return twin

    def prompt(self) -> tuple[str, int]:
        """Return a new prompt, always of the same length, and a seed."""
        number = next(self._count)
        return f"{PROMPT}，{number:05d}", number

    def release(self) -> None:
        """Release the weights. Nothing can be drawn afterwards."""
        self._pipeline = None
        self.references.clear()


def scaled(model: ModelInfo) -> dict[str, PictureSize]:
    """Return the rows' sizes, scaled to the model's native size and adjusted to allowed sizes."""
    shrink_w, shrink_h = (
        native / usual
        for native, usual in zip((model.native_width_px, model.native_height_px), SIZES["E1"], strict=True)
    )
    sizes = {}
    for row, (width, height) in SIZES.items():
        wanted = round(width * shrink_w), round(height * shrink_h)
        sizes[row] = wanted if model.allows(*wanted) else model.fit(*wanted)
    return sizes


def format_size(size: PictureSize) -> str:
    """Format a size: ``512 × 768``."""
    return f"{size[0]} × {size[1]}"


def tokens_of(pipeline: Any, prompt: str) -> Tensor:
    """Return a prompt's tokens in the pipeline's chat template: [1, tokens], on its device."""
    layout = pipeline.tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=True,
    )
    return torch.tensor([pipeline.tokenizer(layout).input_ids], device=pipeline.text_encoder.device)
