"""Merges base weights and LoRAs into a copy, one group of layers at a time, just before its first use.

The base is never written, so nothing must be removed and nothing drifts. The copy keeps its addresses. On a
card one kernel merges a group: it reads the base once, adds all LoRAs of the stack in float32 and rounds
once. Without a card, or if the kernel does not work, torch does the same part by part. A layer in eight bits
is rotated, scaled and rounded in the same pass, so a LoRA costs no step anything in any format. A layer that
changes by more than pairs is merged by torch, with one rounding, too; the kernel still merges all others.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.eight_bit.formats import NO_LAYERS, EightBitLayers, format_of
from engine.eight_bit.quantise import quantise
from engine.lora.adapter import LoraStack, merged_rows, row_chunks
from engine.lora.patches import Matrices, MergedPatch, MergeLayers, Patches
from engine.lora.side_path import concatenate_pairs

# Copies to write, the LoRAs to write into them. A copy may be its own base: then it is merged in place.
MergeBackend = Callable[[Mapping[str, MergedPatch], LoraStack], MergeLayers]
BLOCKS = ("context_refiner", "noise_refiner", "layers")  # in the order of their use

log = structlog.get_logger("engine.lora")


class Merger:
    """The merged copy of one model's weights.

    Args:
        matrices: The base weights.
        eight_bit_layers: Layers whose copy is in eight bits. They need a copy even without a LoRA.
    """

    def __init__(self, matrices: Matrices, eight_bit_layers: EightBitLayers = NO_LAYERS) -> None:
        self._matrices = matrices
        self._copies: dict[str, MergedPatch] = {}
        self._writer = select_backend(matrices, eight_bit_layers)
        self.eight_bit_layers = eight_bit_layers

    @property
    def nbytes(self) -> int:
        """Memory that the copy uses now."""
        return sum(copy.weight.nbytes for copy in self._copies.values())

    def drop(self) -> None:
        """Free the copy."""
        self._copies.clear()

    def merge(self, stack: LoraStack) -> Patches:
        """Start a merge. Patches of an earlier merge become invalid.

        Raises:
            torch.OutOfMemoryError: Too little memory for the copy.
        """
        parts = {part for adapter, _ in stack for part in adapter.parts}
        touched = [
            name
            for name, matrix in self._matrices.items()
            if name in self.eight_bit_layers or not parts.isdisjoint(matrix.parts)
        ]
        for name in touched:
            if name not in self._copies:
                self._copies[name] = self._empty(name)
        copies = {name: self._copies[name] for name in touched}
        pending: dict[str, list[str]] = {}
        for name in touched:
            pending.setdefault(group_of(name), []).append(name)
        write = self._writer(copies, stack)
        return Patches(copies, pending=pending, write=write, is_eight_bit=bool(self.eight_bit_layers))

    def _empty(self, name: str) -> MergedPatch:
        weight = self._matrices[name].weight
        eight_bit = self.eight_bit_layers.format
        if eight_bit is None or name not in self.eight_bit_layers:
            return MergedPatch(torch.empty_like(weight))
        scales = weight.new_empty(len(weight), 1, dtype=torch.float32)
        return MergedPatch(torch.empty_like(weight, dtype=eight_bit.dtype), scales)


def group_of(layer: str) -> str:
    """Return the group of layers that are used together: one block, or one embedder."""
    first, second = layer.split(".")[:2]
    return f"{first}.{second}" if first in BLOCKS else first


def _torch_backend(matrices: Matrices, copies: Mapping[str, MergedPatch], stack: LoraStack) -> MergeLayers:
    """Merge with torch."""

    def write(names: Sequence[str]) -> None:
        for name in names:
            for part, rows in matrices[name].parts.items():
                base, copy = matrices[name].weight[rows], copies[name].weight[rows]
                if (scales := copies[name].scales) is not None:
                    _merge_exactly(base, stack, part, copy, scales[rows])
                elif pair := concatenate_pairs(stack, part):
                    # The product is added in the accumulator, so the result is rounded once.
                    torch.addmm(base, pair.up, pair.down, out=copy)
                else:
                    copy.copy_(base)

    return write


def _with_changes(
    matrices: Matrices, of_pairs: MergeBackend, copies: Mapping[str, MergedPatch], stack: LoraStack
) -> MergeLayers:
    """Merge layers that change by pairs alone with ``of_pairs``, and all others in float32 with torch."""
    write_pairs = of_pairs(copies, stack)
    changed = {part for adapter, _ in stack for part in adapter.changes}
    if not changed:
        return write_pairs

    def write(names: Sequence[str]) -> None:
        others = [name for name in names if not changed.isdisjoint(matrices[name].parts)]
        if len(others) < len(names):
            write_pairs([name for name in names if name not in others])
        for name in others:
            weight, copy = matrices[name].weight, copies[name]
            for part, rows in matrices[name].parts.items():
                scales = None if copy.scales is None else copy.scales[rows]
                _merge_exactly(weight[rows], stack, part, copy.weight[rows], scales)

    return write


def _merge_exactly(base: Tensor, stack: LoraStack, part: str, values: Tensor, scales: Tensor | None) -> None:
    """Merge one part in float32 and round it once, into eight bits if there are scales.

    ``values`` may be the base itself: each row is read before it is written.
    """
    eight_bit = format_of(values.dtype)
    for rows in row_chunks(base.shape):
        merged = merged_rows(base[rows], stack, part, rows)
        if eight_bit is None or scales is None:
            values[rows].copy_(merged)
        else:
            matrix = quantise(merged, eight_bit)
            values[rows].copy_(matrix.values)
            scales[rows].copy_(matrix.scales)


def select_backend(matrices: Matrices, eight_bit_layers: EightBitLayers) -> MergeBackend:
    """Return ``select_for_pairs``, with torch for the layers that change by more than pairs."""
    return partial(_with_changes, matrices, select_for_pairs(matrices, eight_bit_layers))


def select_for_pairs(matrices: Matrices, eight_bit_layers: EightBitLayers) -> MergeBackend:
    """Return the kernel if it works on this device; otherwise torch, with a warning on a card."""
    weight, torch_backend = next(iter(matrices.values())).weight, partial(_torch_backend, matrices)
    if not weight.is_cuda:
        return torch_backend
    try:
        from engine.lora import merge_kernel  # noqa: PLC0415 - Triton is there only where a card may be

        writer = merge_kernel.Kernel(matrices, eight_bit_layers)
        writer.self_test()
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("LoRAs are merged without the card's own kernel: switches take longer", reason=reason)
        return torch_backend
    return writer
