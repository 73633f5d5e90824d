"""The transformer: a caption is refined once, then each call of a batch is one step of all its pictures."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import structlog
import torch
import torch.nn.functional as nn
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from engine.lora.ways import NO_PATCHES, Patches, Side
from engine.zimage.forward.block import run_blocks, unmodulated
from engine.zimage.forward.fuse import fuse
from engine.zimage.forward.fusions import PLAIN, Fusions, choose
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.plain import EPSILON
from engine.zimage.forward.step_graphs import MOST_TOKENS, Graph, Graphs, Key
from engine.zimage.forward.tokens import Rope, Size, padded, to_latents, to_tokens, token_count
from engine.zimage.forward.weights import PATCH, Weights

TIME_WIDTH = 256  # of the time's sines and cosines, both together
SLOWEST = 10_000  # the longest of their periods, in radians

log = structlog.get_logger("engine.forward")


@dataclass(frozen=True, slots=True, eq=False)
class RefinedCaption:
    """A prompt as the picture's blocks see it, refined: [tokens, width], fillers included."""

    tokens: Tensor


class Forward:
    """A loaded transformer. Fuses its parameters; the library's forward goes on working on the same memory.

    Args:
        transformer: On its device, only drawing.
        is_eight: Whether to multiply in eight bits, where the card's kernels and the model's sides can.
    """

    def __init__(self, transformer: ZImageTransformer2DModel, *, is_eight: bool = False) -> None:
        self.weights = fuse(transformer)
        self._last_with_loras = NO_PATCHES, self.weights
        self.channels: int = transformer.in_channels
        self.time_scale: float = transformer.t_scale
        self.device: torch.device = transformer.device
        self.dtype: torch.dtype = transformer.dtype
        self.rope = Rope(transformer, self.device)
        if is_eight and not self.weights.in_eight:
            log.warning("this model's sides are no multiples of 16: pictures are drawn in full precision")
            is_eight = False
        weight, sides = transformer.x_pad_token, self.weights.sides
        self.do = choose(weight, sides) or PLAIN
        self.do_in_eight = choose(weight, sides, is_eight=True) if is_eight else None
        half = torch.arange(TIME_WIDTH // 2, dtype=torch.float32, device=self.device)
        self.graphs = Graphs() if self.device.type == "cuda" else None
        self.periods = torch.exp(-math.log(SLOWEST) * half / (TIME_WIDTH // 2))

    @torch.no_grad()
    def read(self, embedding: Tensor, patches: Patches) -> RefinedCaption:
        """Refine a prompt's embedding for all steps of its pictures.

        Args:
            embedding: Shape (tokens, width of the text encoder), from ``Text.embed``.
            patches: Of the one row that will be drawn with it.
        """
        patches.ready("cap_embedder")
        weights = self.with_loras(patches)
        length = padded(len(embedding))
        rows = Rows([length], self.device)
        known = nn.rms_norm(
            embedding.to(self.dtype), embedding.shape[-1:], weights.tensors["cap_embedder.0.weight"], EPSILON
        )
        x = weights.layers["cap_embedder.1"](known, rows)
        x = torch.cat([x, weights.tensors["cap_pad_token"].expand(length - len(embedding), -1)])
        turns = self.rope.caption(length)
        return RefinedCaption(
            run_blocks(x, weights.context_refiner, turns, unmodulated, rows, self.do, patches.ready)
        )

    def with_loras(self, patches: Patches) -> Weights:
        """The weights with LoRAs on them; remembered, for a picture asks twice."""
        if self._last_with_loras[0] is not patches:
            self._last_with_loras = patches, self.weights.with_loras(patches)
        return self._last_with_loras[1]

    def forget(self) -> None:
        """Let go of weights with LoRAs on them, and of recorded steps, which hold the weights they use."""
        self._last_with_loras = NO_PATCHES, self.weights
        if self.graphs:
            self.graphs.drop()

    def batch(self, captions: Sequence[RefinedCaption], sizes: Sequence[Size], patches: Patches) -> "Batch":
        """Put pictures together for their next steps; row ``i`` has caption, size and LoRAs ``i``."""
        return Batch(self, captions, sizes, patches)


class Batch:
    """Rows that take their steps together, each at its own time.

    A new batch replaces it when a row joins or leaves.
    """

    def __init__(
        self, forward: Forward, captions: Sequence[RefinedCaption], sizes: Sequence[Size], patches: Patches
    ) -> None:
        self._forward = forward
        self._patches = patches
        self._do: Fusions = (forward.do_in_eight if patches.is_eight else None) or forward.do
        self._ready = patches.ready
        self._weights = forward.with_loras(patches)
        self._captions = [caption.tokens for caption in captions]
        self._sizes = list(sizes)
        counts = [token_count(size) for size in sizes]
        lengths = [padded(count) for count in counts]
        whole = [length + len(caption) for length, caption in zip(lengths, self._captions, strict=True)]
        self._pictures, self._whole = Rows(lengths, forward.device), Rows(whole, forward.device)
        self._fillers = [length - count for length, count in zip(lengths, counts, strict=True)]
        turns = [
            forward.rope.picture(size, len(caption))
            for size, caption in zip(sizes, self._captions, strict=True)
        ]
        both = [
            torch.cat([turn, forward.rope.caption(len(caption))], dim=1)
            for turn, caption in zip(turns, self._captions, strict=True)
        ]
        # A graph's key knows weights by their place, which LoRAs beside the weights leave as it is.
        is_beside = any(isinstance(patch, Side) for patch in patches.layers.values())
        self._may_record = not is_beside and sum(whole) <= MOST_TOKENS
        self._graph: Graph | None = None
        self._has_looked = False
        self._picture_turns, self._whole_turns = torch.cat(turns, dim=1), torch.cat(both, dim=1)

    @torch.no_grad()
    def __call__(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        """Predict ``clean - noise`` of every row; what it returns may be written over by the next call.

        Args:
            latents: Of each row: [channels, height, width], in any number format.
            times: Of each row, 1 - sigma: 0 is noise, 1 is a picture. float32 [rows], on the device.

        Returns:
            As ``latents``, in the model's number format.
        """
        graph = self._recorded(latents, times)
        return graph(latents, times) if graph else self._step(latents, times)

    def _recorded(self, latents: Sequence[Tensor], times: Tensor) -> Graph | None:
        """This step as a graph, where one is of use and everything is merged; looked for once a batch."""
        graphs = self._forward.graphs
        if graphs is None or self._patches.pending or not self._may_record:
            return None
        if not self._has_looked:
            self._has_looked, key = True, self._key()
            self._graph = graphs.find(key, self._captions)
            if self._graph is None and graphs.is_due(key):
                self._captions = [caption.clone() for caption in self._captions]
                # Of a twin, which has no graph: in a ring, the memory of both would come back late.
                self._graph = graphs.record(key, self._captions, copy(self)._step, latents, times)
        return self._graph

    def _key(self) -> Key:
        """What a graph of this batch depends on: its shape, and the addresses of its weights."""
        places = (layer.weight.data_ptr() for layer in self._weights.layers.values())
        captions = (len(caption) for caption in self._captions)
        return (*self._sizes, None, *captions, None, *places)

    def _step(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        weights, do = self._weights, self._do
        time = self._time(times)
        modulate = weights.modulation_at(time)
        pictures = run_blocks(
            self._embed(latents),
            weights.noise_refiner,
            self._picture_turns,
            modulate,
            self._pictures,
            do,
            self._ready,
        )
        rows = zip(self._pictures.split(pictures), self._captions, strict=True)
        x = torch.cat([part for row in rows for part in row])
        x = run_blocks(x, weights.main, self._whole_turns, modulate, self._whole, do, self._ready)
        tokens = self._last(x, time)
        return [
            to_latents(row, size) for row, size in zip(self._whole.split(tokens), self._sizes, strict=True)
        ]

    def _time(self, times: Tensor) -> Tensor:
        """The times as the blocks see them: [rows, 256]."""
        self._ready("t_embedder")
        layers = self._weights.layers
        angles = (times * self._forward.time_scale)[:, None] * self._forward.periods
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(self._forward.dtype)
        return layers["t_embedder.mlp.2"](nn.silu(layers["t_embedder.mlp.0"](waves)))

    def _embed(self, latents: Sequence[Tensor]) -> Tensor:
        """The pictures' tokens, packed, the learned filler at their ends."""
        self._ready("all_x_embedder")
        filler = self._weights.tensors["x_pad_token"]
        tokens = torch.cat(
            [
                nn.pad(to_tokens(each.to(self._forward.dtype)), (0, 0, 0, fillers))
                for each, fillers in zip(latents, self._fillers, strict=True)
            ]
        )
        x = self._weights.layers[f"all_x_embedder.{PATCH}"](tokens, self._pictures)
        for row, fillers in zip(self._pictures.split(x), self._fillers, strict=True):
            if fillers:
                row[-fillers:] = filler
        return x

    def _last(self, x: Tensor, time: Tensor) -> Tensor:
        """Tokens → the velocities of their latents."""
        self._ready("all_final_layer")
        scale = 1 + self._weights.layers[f"all_final_layer.{PATCH}.adaLN_modulation.1"](nn.silu(time))
        x = nn.layer_norm(x, x.shape[-1:], eps=1e-6) * self._whole.spread(scale)
        return self._weights.layers[f"all_final_layer.{PATCH}.linear"](x, self._whole)
