"""The transformer: refines a caption once; then each call of a batch is one step of all its pictures."""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import structlog
import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.config import WeightFormat
from engine.eight_bit.formats import EIGHT_BIT, NO_LAYERS, EightBitLayers
from engine.eight_bit.products import choose_int8_way
from engine.lora.patches import NO_PATCHES, MergedPatch, Patches, SidePatch
from engine.zimage.forward.block import run_blocks, unmodulated
from engine.zimage.forward.fuse import fuse
from engine.zimage.forward.fusions import Fusions, reference_in, select_fusions, with_own_norms
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.reference import EPSILON
from engine.zimage.forward.step_graphs import MAX_TOKENS, GraphKey, StepGraph, StepGraphCache
from engine.zimage.forward.tokens import LatentSize, Rope, padded_length, to_latents, to_tokens, token_count
from engine.zimage.forward.weights import PATCH, Weights

TIME_EMBEDDING_WIDTH = 256  # cosines and sines together
MAX_PERIOD = 10_000  # the longest period, in radians

log = structlog.get_logger("engine.forward")


@dataclass(frozen=True, slots=True, eq=False)
class RefinedCaption:
    """A refined prompt for the picture's blocks: [tokens, width], padding included."""

    tokens: Tensor


class Forward:
    """A loaded transformer with fused parameters.

    Args:
        transformer: ``TransformerModules``, or the library's transformer, whose forward still works then.
        weight_format: Of the large products; in eight bits only if the model's block sizes allow it.
        places: The weights of the blocks that are not on the card; see ``fuse``.

    Attributes:
        eight_bit_layers: The layers whose weights a merge must write in eight bits.
    """

    def __init__(
        self,
        transformer: Any,
        weight_format: WeightFormat = WeightFormat.BF16,
        places: Mapping[str, MergedPatch] | None = None,
    ) -> None:
        self.weights = fuse(transformer, places or {})
        self._cached_weights = NO_PATCHES, self.weights
        self.channels: int = transformer.in_channels
        self.time_scale: float = transformer.t_scale
        self.device: torch.device = transformer.device
        self.dtype: torch.dtype = transformer.dtype
        self.rope = Rope(transformer.config, self.device)
        weight, block_sizes = transformer.x_pad_token, self.weights.block_sizes
        self.fusions = select_fusions(weight, block_sizes) or reference_in(None)
        self.eight_bit_layers = self._choose_layers(weight_format)
        eight_bit = self.eight_bit_layers.format
        self.eight_bit_fusions = select_fusions(weight, block_sizes, eight_bit) or reference_in(eight_bit)
        half = torch.arange(TIME_EMBEDDING_WIDTH // 2, dtype=torch.float32, device=self.device)
        self.graphs = StepGraphCache() if self.device.type == "cuda" else None
        self.periods = torch.exp(-math.log(MAX_PERIOD) * half / (TIME_EMBEDDING_WIDTH // 2))

    def _choose_layers(self, weight_format: WeightFormat) -> EightBitLayers:
        """Return the layers in eight bits: the large ones, or none if a card cannot multiply their sides."""
        eight_bit, is_card = EIGHT_BIT.get(weight_format), self.device.type == "cuda"
        if eight_bit is None:
            return NO_LAYERS
        if is_card and not self.weights.have_sides_of(eight_bit.side_multiple):
            multiple = eight_bit.side_multiple
            log.warning(f"layer sizes are not multiples of {multiple}: pictures are drawn in full precision")
            return NO_LAYERS
        names = self.weights.large_layers
        if is_card and weight_format is WeightFormat.INT8:
            shapes = [self.weights.layers[name].weight.shape for name in names]
            choose_int8_way(self.device, ((rows, width) for rows, width in shapes), self.dtype)
        return EightBitLayers(eight_bit, names)

    @torch.no_grad()
    def refine_caption(self, embedding: Tensor, patches: Patches) -> RefinedCaption:
        """Refine a prompt's embedding for all steps of its pictures.

        Args:
            embedding: Shape (tokens, width of the text encoder), from ``Text.embed``.
            patches: The LoRAs of its pictures, as of one row.
        """
        patches.ensure_merged("cap_embedder")
        weights = self.with_loras(patches)
        length = padded_length(len(embedding))
        rows = Rows([length], self.device)
        known = nn.rms_norm(
            embedding.to(self.dtype), embedding.shape[-1:], weights.tensors["cap_embedder.0.weight"], EPSILON
        )
        x = weights.layers["cap_embedder.1"](known, rows)
        x = torch.cat([x, weights.tensors["cap_pad_token"].expand(length - len(embedding), -1)])
        rotations = self.rope.caption(length)
        return RefinedCaption(
            run_blocks(
                x, weights.context_refiner, rotations, unmodulated, rows, self.fusions, patches.ensure_merged
            )
        )

    def with_loras(self, patches: Patches) -> Weights:
        """Return the weights with LoRAs; cached, because each picture needs them twice."""
        if self._cached_weights[0] is not patches:
            self._cached_weights = patches, self.weights.with_loras(patches)
        return self._cached_weights[1]

    def drop_caches(self) -> None:
        """Drop the weights with LoRAs and the recorded steps, which hold the weights they use."""
        self._cached_weights = NO_PATCHES, self.weights
        if self.graphs:
            self.graphs.drop()

    def batch(
        self, captions: Sequence[RefinedCaption], sizes: Sequence[LatentSize], patches: Patches
    ) -> "Batch":
        """Combine pictures into a batch; row ``i`` has caption, size and LoRAs ``i``."""
        return Batch(self, captions, sizes, patches)


class Batch:
    """Rows that take their steps together, each at its own time.

    When a row joins or leaves, a new batch is needed.
    """

    def __init__(
        self,
        forward: Forward,
        captions: Sequence[RefinedCaption],
        sizes: Sequence[LatentSize],
        patches: Patches,
    ) -> None:
        self._forward = forward
        self._patches = patches
        fusions: Fusions = forward.eight_bit_fusions if patches.is_eight_bit else forward.fusions
        self._ensure_merged = patches.ensure_merged
        self._weights = forward.with_loras(patches)
        self._captions = [caption.tokens for caption in captions]
        self._sizes = list(sizes)
        counts = [token_count(size) for size in sizes]
        lengths = [padded_length(count) for count in counts]
        joint_lengths = [
            length + len(caption) for length, caption in zip(lengths, self._captions, strict=True)
        ]
        self._pictures, self._joint = Rows(lengths, forward.device), Rows(joint_lengths, forward.device)
        self._picture_fusions, self._joint_fusions = (
            with_own_norms(fusions, rows) if patches.is_by_row else fusions
            for rows in (self._pictures, self._joint)
        )
        self._padding = [length - count for length, count in zip(lengths, counts, strict=True)]
        rotations = [
            forward.rope.picture(size, len(caption))
            for size, caption in zip(sizes, self._captions, strict=True)
        ]
        joint_rotations = [
            torch.cat([rotation, forward.rope.caption(len(caption))], dim=1)
            for rotation, caption in zip(rotations, self._captions, strict=True)
        ]
        # A graph's key holds the addresses of the weights. LoRAs on the side path do not change these.
        is_beside = any(isinstance(patch, SidePatch) for patch in patches.layers.values())
        is_beside |= patches.is_by_row
        self._can_use_graph = not is_beside and sum(joint_lengths) <= MAX_TOKENS
        self._graph: StepGraph | None = None
        self._graph_searched = False
        self._picture_rotations, self._joint_rotations = (
            torch.cat(rotations, dim=1),
            torch.cat(joint_rotations, dim=1),
        )

    @torch.no_grad()
    def __call__(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        """Predict ``clean - noise`` of every row. The next call may overwrite the result.

        Args:
            latents: For each row [channels, height, width], in any number format.
            times: float32 [rows] on the device: 1 - sigma; 0 is noise, 1 is a picture.

        Returns:
            Shaped as ``latents``, in the model's number format.
        """
        graph = self._find_graph(latents, times)
        return graph(latents, times) if graph else self._step(latents, times)

    def _find_graph(self, latents: Sequence[Tensor], times: Tensor) -> StepGraph | None:
        """Return a graph of this step if one helps and all layers stay put; searched once per batch."""
        graphs = self._forward.graphs
        if graphs is None or not self._patches.is_settled or not self._can_use_graph:
            return None
        if not self._graph_searched:
            self._graph_searched, key = True, self._key()
            self._graph = graphs.find(key, self._captions)
            if self._graph is None and graphs.should_record(key):
                self._captions = [caption.clone() for caption in self._captions]
                # Record a copy without a graph: a reference cycle would delay freeing the memory of both.
                self._graph = graphs.record(key, self._captions, copy(self)._step, latents, times)
        return self._graph

    def _key(self) -> GraphKey:
        """Return what a graph of this batch depends on: its shape and the addresses of its weights.

        A vector with LoRAs has another address than that of the base.
        """
        weights = (layer.weight for layer in self._weights.layers.values())
        addresses = (tensor.data_ptr() for tensor in (*weights, *self._patches.vectors.values()))
        captions = (len(caption) for caption in self._captions)
        return (*self._sizes, None, *captions, None, *addresses)

    def _step(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        weights = self._weights
        time = self._time(times)
        modulate = weights.modulation_at(time)
        pictures = run_blocks(
            self._embed(latents),
            weights.noise_refiner,
            self._picture_rotations,
            modulate,
            self._pictures,
            self._picture_fusions,
            self._ensure_merged,
        )
        rows = zip(self._pictures.split(pictures), self._captions, strict=True)
        x = torch.cat([part for row in rows for part in row])
        x = run_blocks(
            x,
            weights.main,
            self._joint_rotations,
            modulate,
            self._joint,
            self._joint_fusions,
            self._ensure_merged,
        )
        tokens = self._last(x, time)
        return [
            to_latents(row, size) for row, size in zip(self._joint.split(tokens), self._sizes, strict=True)
        ]

    def _time(self, times: Tensor) -> Tensor:
        """Embed the times: [rows, 256]."""
        self._ensure_merged("t_embedder")
        layers = self._weights.layers
        angles = (times * self._forward.time_scale)[:, None] * self._forward.periods
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(self._forward.dtype)
        return layers["t_embedder.mlp.2"](nn.silu(layers["t_embedder.mlp.0"](waves)))

    def _embed(self, latents: Sequence[Tensor]) -> Tensor:
        """Embed the pictures' tokens, packed, with the learned pad token at the end of each row."""
        self._ensure_merged("all_x_embedder")
        filler = self._weights.tensors["x_pad_token"]  # [1, width], or [rows, 1, width]
        fillers = filler if filler.dim() == 3 else [filler] * len(self._sizes)
        tokens = torch.cat(
            [
                nn.pad(to_tokens(each.to(self._forward.dtype)), (0, 0, 0, padding))
                for each, padding in zip(latents, self._padding, strict=True)
            ]
        )
        x = self._weights.layers[f"all_x_embedder.{PATCH}"](tokens, self._pictures)
        for row, padding, own in zip(self._pictures.split(x), self._padding, fillers, strict=True):
            if padding:
                row[-padding:] = own
        return x

    def _last(self, x: Tensor, time: Tensor) -> Tensor:
        """Tokens → velocities."""
        self._ensure_merged("all_final_layer")
        scale = 1 + self._weights.layers[f"all_final_layer.{PATCH}.adaLN_modulation.1"](nn.silu(time))
        x = nn.layer_norm(x, x.shape[-1:], eps=1e-6) * self._joint.spread(scale)
        return self._weights.layers[f"all_final_layer.{PATCH}.linear"](x, self._joint)
