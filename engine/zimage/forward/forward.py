"""The door of the room: a caption is read once, then each call of a batch is one step of all its pictures."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from engine.lora.ways import Patches
from engine.zimage.forward.block import run_block
from engine.zimage.forward.packing import Packing, Spans
from engine.zimage.forward.tokens import Rope, Size, padded, to_latents, to_tokens, token_count
from engine.zimage.forward.weights import EPSILON, PATCH, Block, fuse

RunBlock = Callable[[Tensor, Block, Tensor, Tensor | None, Spans | None], Tensor]
TIME_WIDTH = 256  # of the time's sines and cosines, both together
SLOWEST = 10_000  # the longest of their periods, in radians


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """A prompt as the picture's blocks see it, refined: [tokens, width], fillers included."""

    tokens: Tensor


class Forward:
    """A loaded transformer. Fuses its parameters; the library's forward goes on working on the same memory.

    Args:
        transformer: On its device, only drawing.
        run: ``run_block``, or the same compiled.
    """

    def __init__(self, transformer: ZImageTransformer2DModel, run: RunBlock = run_block) -> None:
        self.weights = fuse(transformer)
        self.channels: int = transformer.in_channels
        self.time_scale: float = transformer.t_scale
        self.device: torch.device = transformer.device
        self.dtype: torch.dtype = transformer.dtype
        self.rope = Rope(transformer, self.device)
        self.run = run

    @torch.no_grad()
    def read(self, embedding: Tensor, patches: Patches) -> Caption:
        """Refine a prompt's embedding for all steps of its pictures.

        Args:
            embedding: Shape (tokens, width of the text encoder), from ``Text.embed``.
            patches: Of the one row that will be drawn with it.
        """
        weights = self.weights.wearing(patches)
        length = padded(len(embedding))
        known = nn.rms_norm(
            embedding.to(self.dtype), embedding.shape[-1:], weights.tensors["cap_embedder.0.weight"], EPSILON
        )
        x = weights.layers["cap_embedder.1"](known[None])
        filler = weights.tensors["cap_pad_token"].expand(1, length - len(embedding), -1)
        x = torch.cat([x, filler], dim=1)
        turns = self.rope.caption(length)[:, None, :, None]
        for block in weights.context_refiner:
            x = self.run(x, block, turns, None, None)
        return Caption(x[0])

    def batch(self, captions: Sequence[Caption], sizes: Sequence[Size], patches: Patches) -> "Batch":
        """Put pictures together for their next steps; row ``i`` has caption, size and LoRAs ``i``."""
        return Batch(self, captions, sizes, patches)


class Batch:
    """Rows that take their steps together, each at its own time. Made anew when a row joins or leaves."""

    def __init__(
        self, forward: Forward, captions: Sequence[Caption], sizes: Sequence[Size], patches: Patches
    ) -> None:
        self._forward = forward
        self._weights = forward.weights.wearing(patches)
        self._captions = [caption.tokens for caption in captions]
        self._sizes = list(sizes)
        counts = [token_count(size) for size in sizes]
        self._fillers = [padded(count) - count for count in counts]
        lengths = [padded(count) for count in counts]
        whole = [length + len(caption) for length, caption in zip(lengths, self._captions, strict=True)]
        self._pictures = Packing(lengths, forward.device)
        self._whole = Packing(whole, forward.device)
        self._is_filler = self._pictures.pack(
            [torch.arange(padded(count), device=forward.device) >= count for count in counts]
        )[..., None]
        turns = [
            forward.rope.picture(size, len(caption))
            for size, caption in zip(sizes, self._captions, strict=True)
        ]
        both = [
            torch.cat([turn, forward.rope.caption(len(caption))], dim=1)
            for turn, caption in zip(turns, self._captions, strict=True)
        ]
        self._picture_turns = _packed_turns(self._pictures, turns)
        self._whole_turns = _packed_turns(self._whole, both)

    @torch.no_grad()
    def __call__(self, latents: Sequence[Tensor], times: Sequence[float]) -> list[Tensor]:
        """Predict ``clean - noise`` of every row.

        Args:
            latents: Of each row: [channels, height, width], in any number format.
            times: Of each row, 1 - sigma: 0 is noise, 1 is a picture.

        Returns:
            As ``latents``, in the model's number format.
        """
        weights, run = self._weights, self._forward.run
        time = self._time(times)
        x = self._embed(latents)
        for block in weights.noise_refiner:
            x = run(x, block, self._picture_turns, time, self._pictures.spans)
        pictures = self._pictures.unpack(x)
        x = self._whole.pack([torch.cat(row) for row in zip(pictures, self._captions, strict=True)])
        for block in weights.main:
            x = run(x, block, self._whole_turns, time, self._whole.spans)
        tokens = self._last(x, time)
        return [
            to_latents(row, size) for row, size in zip(self._whole.unpack(tokens), self._sizes, strict=True)
        ]

    def _time(self, times: Sequence[float]) -> Tensor:
        """The times as the blocks see them: [rows, 1, 256]."""
        forward, layers = self._forward, self._weights.layers
        moments = torch.tensor(times, dtype=torch.float32, device=forward.device) * forward.time_scale
        half = torch.arange(TIME_WIDTH // 2, dtype=torch.float32, device=forward.device)
        angles = moments[:, None, None] * torch.exp(-math.log(SLOWEST) * half / (TIME_WIDTH // 2))
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(forward.dtype)
        return layers["t_embedder.mlp.2"](nn.silu(layers["t_embedder.mlp.0"](waves)))

    def _embed(self, latents: Sequence[Tensor]) -> Tensor:
        """The pictures' tokens, packed, the learned filler at their ends."""
        tokens = [
            nn.pad(to_tokens(each.to(self._forward.dtype)), (0, 0, 0, fillers))
            for each, fillers in zip(latents, self._fillers, strict=True)
        ]
        spans = self._pictures.spans
        embed = self._weights.layers[f"all_x_embedder.{PATCH}"]
        x = embed(self._pictures.pack(tokens), spans.owner if spans else None)
        return torch.where(self._is_filler, self._weights.tensors["x_pad_token"], x)

    def _last(self, x: Tensor, time: Tensor) -> Tensor:
        """Tokens → what they say of their latents."""
        spans = self._whole.spans
        owner = spans.owner if spans else None
        scale = 1 + self._weights.layers[f"all_final_layer.{PATCH}.adaLN_modulation.1"](nn.silu(time))
        if owner is not None:
            scale = scale[:, 0][owner][None]
        x = nn.layer_norm(x, x.shape[-1:], eps=1e-6) * scale
        return self._weights.layers[f"all_final_layer.{PATCH}.linear"](x, owner)


def _packed_turns(packing: Packing, rows: Sequence[Tensor]) -> Tensor:
    """Rows of [2, tokens, head] → [2, rows or 1, tokens, 1, head]."""
    packed = packing.pack([row.transpose(0, 1) for row in rows])  # [rows or 1, tokens, 2, head]
    return packed.permute(2, 0, 1, 3)[:, :, :, None].contiguous()
