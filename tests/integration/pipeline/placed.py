"""The built-in model under one plan."""

import torch
from torch import Tensor

from engine.config import WeightFormat
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.zimage.denoise import Denoiser, LatentRow, draw_noise
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import PipelineParts
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.layout import eight_bit_layers
from engine.zimage.residency.store import BlockStore

EMBEDDING = torch.randn(20, 160, generator=torch.Generator().manual_seed(1))
SIGMAS = [1.0, 0.7, 0.3, 0.0]


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
            finder or LoraFinder(dict),
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
