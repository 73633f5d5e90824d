"""Merges base weights and LoRAs into a copy, one group of layers at a time, just before its first use.

The base is never written, so nothing must be removed and nothing drifts. The copy keeps its addresses. On a
card one kernel merges a group: it reads the base once, adds all LoRAs of the stack in float32 and rounds
once. Without a card, or if the kernel does not work, torch does the same part by part.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import structlog
import torch

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.lora.patches import LoraStack, Matrices, MergedPatch, MergeLayers, Patches, concatenate_pairs

MergeBackend = Callable[
    [Mapping[str, MergedPatch], LoraStack], MergeLayers
]  # copies to write, the LoRAs to write into them
_BLOCKS = ("noise_refiner", "context_refiner", "layers")

log = structlog.get_logger("engine.lora")


class Merger:
    """The merged copy of one model's weights.

    Args:
        matrices: The base weights.
        fp8_layers: Layers whose copy is in fp8 if the card's kernel can write it. They need a copy even
            without a LoRA.
    """

    def __init__(self, matrices: Matrices, fp8_layers: Collection[str] = ()) -> None:
        self._matrices = matrices
        self._copies: dict[str, MergedPatch] = {}
        self._writer, is_kernel = _select_backend(matrices, fp8_layers)
        self.fp8_layers: Collection[str] = fp8_layers if is_kernel else ()

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
        touched = [
            name
            for name, matrix in self._matrices.items()
            if name in self.fp8_layers
            or any(part in adapter.pairs for adapter, _ in stack for part in matrix.parts)
        ]
        for name in touched:
            if name not in self._copies:
                self._copies[name] = self._empty(name)
        copies = {name: self._copies[name] for name in touched}
        pending: dict[str, list[str]] = {}
        for name in touched:
            pending.setdefault(group_of(name), []).append(name)
        return Patches(copies, pending, self._writer(copies, stack), is_fp8=bool(self.fp8_layers))

    def _empty(self, name: str) -> MergedPatch:
        weight = self._matrices[name].weight
        if name not in self.fp8_layers:
            return MergedPatch(torch.empty_like(weight))
        scales = weight.new_empty(len(weight), 1, dtype=torch.float32)
        return MergedPatch(torch.empty_like(weight, dtype=torch.float8_e4m3fn), scales)


def group_of(layer: str) -> str:
    """Return the group of layers that are used together: one block, or one embedder."""
    first, second = layer.split(".")[:2]
    return f"{first}.{second}" if first in _BLOCKS else first


def _torch_backend(matrices: Matrices, copies: Mapping[str, MergedPatch], stack: LoraStack) -> MergeLayers:
    """Merge with torch."""

    def write(names: Sequence[str]) -> None:
        for name in names:
            for part, rows in matrices[name].parts.items():
                base, copy = matrices[name].weight[rows], copies[name].weight[rows]
                if pair := concatenate_pairs(stack, part):
                    # The product is added in the accumulator, so the result is rounded once.
                    torch.addmm(base, pair.up, pair.down, out=copy)
                else:
                    copy.copy_(base)

    return write


def _select_backend(matrices: Matrices, fp8_layers: Collection[str]) -> tuple[MergeBackend, bool]:
    """Return the merge function, and whether it is the kernel; log a warning if the kernel does not work."""
    weight, torch_backend = next(iter(matrices.values())).weight, partial(_torch_backend, matrices)
    if not weight.is_cuda:
        return torch_backend, False
    try:
        from engine.lora import merge_kernel  # noqa: PLC0415 - Triton is there only where a card may be

        writer = merge_kernel.Kernel(matrices, fp8_layers)
        writer.self_test()
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("LoRAs are merged without the card's own kernel: switches take longer", reason=reason)
        return torch_backend, False
    return writer, True
