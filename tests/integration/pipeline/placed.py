"""The built-in model under one plan, and what it predicts with LoRAs of any kind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from engine.config import WeightFormat, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.lora.adapter import LoraStack, convert
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.lora.updates import FileUpdates
from engine.zimage.denoise import Denoiser, LatentRow
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import PipelineParts, load_pipeline
from engine.zimage.noise import draw_noise
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.layout import eight_bit_layers
from engine.zimage.residency.store import BlockStore
from tests.integration.pipeline.every_kind import updates_of

EMBEDDING = torch.randn(20, 160, generator=torch.Generator().manual_seed(1))
SIGMAS = [1.0, 0.7, 0.3, 0.0]
TIMES = torch.tensor([0.3])  # of a step that is compared


class Placed:
    """The built-in model under one plan."""

    def __init__(
        self,
        parts: PipelineParts,
        resident_blocks: int | None = None,
        weight_format: WeightFormat = WeightFormat.BF16,
        finder: LoraFinder | None = None,
    ) -> None:
        self.store = None
        if parts.blocks is not None:
            device = parts.transformer.device
            layers = eight_bit_layers(parts.blocks.layouts, weight_format, is_card=device.type == "cuda")
            self.store = BlockStore(parts.blocks, device, lanes_of(device), resident_blocks, layers)
        self.forward = Forward(parts.transformer, weight_format, self.store.places if self.store else None)
        self.bank = Bank(
            self.forward.weights.matrices,
            finder or LoraFinder(),
            eight_bit_layers=self.forward.eight_bit_layers,
            blocks=self.store,
            vectors=self.forward.weights.vectors,
        )
        self.denoiser = Denoiser(self.forward, self.bank)

    def draw(self, *stacks: LoraStack, stop_after: int = len(SIGMAS)) -> list[Tensor]:
        """Draw a picture for each stack, all in one batch."""
        embedding = EMBEDDING.to(self.forward.device)
        rows = []
        for seed, stack in enumerate(stacks):
            caption = self.denoiser.refine_caption(embedding, stack)
            rows.append(LatentRow(caption, stack, SIGMAS, draw_noise(seed, 16, 64, 96)))
        for row in rows:
            self.denoiser.join(row)
        for _ in range(stop_after):
            if not all(row.is_done for row in rows):
                self.denoiser.step()
        for row in rows:
            self.denoiser.leave(row)
        return [row.latents for row in rows]

    @property
    def bases(self) -> dict[str, Tensor]:
        """The library's layers → their base weights; only of a model whose base is on the device."""
        return {
            part: matrix.weight[rows].cpu()
            for matrix in self.forward.weights.matrices.values()
            for part, rows in matrix.parts.items()
        }

    @property
    def norm_shapes(self) -> dict[str, tuple[int, ...]]:
        """The library's norms and pad tokens → their shapes."""
        return {
            part: (vector.base.shape[1],) if "norm_qk" in name else tuple(vector.base.shape)
            for name, vector in self.forward.weights.vectors.items()
            for part in vector.parts
            if not part.endswith(".bias")
        }

    def updates(self, kind: str, *options: Any, **more: Any) -> FileUpdates:
        """A random LoRA for this model; see ``every_kind.updates_of``."""
        return updates_of(kind, self.bases, self.norm_shapes, *options, **more)

    def stack(self, *mix: tuple[FileUpdates, float]) -> LoraStack:
        """LoRAs as this model's bank converts them."""
        dtype, base_of = self.forward.dtype, self.bank._base_of
        return tuple(
            (convert(updates, dtype, base_of, is_pinned=False).on(self.forward.device), strength)
            for updates, strength in mix
        )

    def velocities(self, stacks: Sequence[LoraStack], latents: Sequence[Tensor]) -> list[Tensor]:
        """What it predicts for pictures of one batch, in one step."""
        forward, bank = self.forward, self.bank
        latents = [each.to(forward.device) for each in latents]
        captions = [
            forward.refine_caption(EMBEDDING.to(forward.device), bank.patches([stack])) for stack in stacks
        ]
        sizes = [(each.shape[1], each.shape[2]) for each in latents]
        batch = forward.batch(captions, sizes, bank.patches(stacks))
        times = TIMES.to(forward.device).expand(len(latents))
        return [each.clone() for each in batch(latents, times)]


def new_model(
    base: WeightLocation = WeightLocation.CARD,
    *options: Any,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
) -> Placed:
    """The model with its base at some place; see ``Placed`` for the options."""
    torch.set_num_threads(1)
    placement = choose_placement(device)
    placement = replace(placement, dtype=dtype or placement.dtype)
    return Placed(load_pipeline(WEIGHTS, placement, base), *options)


def noise(seed: int, size: tuple[int, int] = (64, 96)) -> Tensor:
    """Latents of one picture."""
    return draw_noise(seed, 16, *size)[0]


def effect_error(found: Tensor, wanted: Tensor, base: Tensor) -> float:
    """The error of a picture in parts of what the LoRA changes in it."""
    return float((found - wanted).norm() / (wanted - base).norm())
