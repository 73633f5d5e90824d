"""Base + LoRAs → a working copy, group by group of layers, each just before it is used.

The base is read and never written, so there is nothing to take off and nothing drifts; the copy keeps its
place in memory. On a card one kernel writes a group: it reads the base once, adds every LoRA of the stack in
float32 and rounds once. Elsewhere, or where the kernel does not work, torch does the same part by part.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import torch
from torch import Tensor

from engine.lora.ways import Matrices, Merged, Patches, Stack, Write, joined

Writer = Callable[[Mapping[str, Tensor], Stack], Write]  # copies to write, the LoRAs to write into them
_BLOCKS = ("noise_refiner", "context_refiner", "layers")

log = structlog.get_logger("engine.lora")


class Merger:
    """The working copy of one model.

    Args:
        matrices: The base.
    """

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices
        self._copies: dict[str, Tensor] = {}
        self._writer = _choose(matrices)

    @property
    def nbytes(self) -> int:
        """Memory of the copy so far."""
        return sum(copy.nbytes for copy in self._copies.values())

    def drop(self) -> None:
        """Give the copy's memory back."""
        self._copies.clear()

    def merge(self, stack: Stack) -> Patches:
        """Begin to merge; earlier patches end with this.

        Raises:
            torch.OutOfMemoryError: There is no room for the copy.
        """
        touched = [
            name
            for name, matrix in self._matrices.items()
            if any(part in adapter.pairs for adapter, _ in stack for part in matrix.parts)
        ]
        for name in touched:
            if name not in self._copies:
                self._copies[name] = torch.empty_like(self._matrices[name].weight)
        copies = {name: self._copies[name] for name in touched}
        pending: dict[str, list[str]] = {}
        for name in touched:
            pending.setdefault(group_of(name), []).append(name)
        layers = {name: Merged(copy) for name, copy in copies.items()}
        return Patches(layers, pending, self._writer(copies, stack))


def group_of(layer: str) -> str:
    """The layers that are used together: one block, or one embedder."""
    first, second = layer.split(".")[:2]
    return f"{first}.{second}" if first in _BLOCKS else first


def _plainly(matrices: Matrices, copies: Mapping[str, Tensor], stack: Stack) -> Write:
    """Merge with torch."""

    def write(names: Sequence[str]) -> None:
        for name in names:
            for part, rows in matrices[name].parts.items():
                base, copy = matrices[name].weight[rows], copies[name][rows]
                if pair := joined(stack, part):
                    # One rounding: the product is added in the accumulator, whatever the number format.
                    torch.addmm(base, pair.up, pair.down, out=copy)
                else:
                    copy.copy_(base)

    return write


def _choose(matrices: Matrices) -> Writer:
    """The kernel where it works, said once where not."""
    weight, plainly = next(iter(matrices.values())).weight, partial(_plainly, matrices)
    if not weight.is_cuda:
        return plainly
    try:
        from engine.lora import kernel  # noqa: PLC0415 - Triton is there only where a card may be

        kernel.try_out(weight)
    except (
        ImportError,
        OSError,
        RuntimeError,
        ValueError,
        AssertionError,
        subprocess.SubprocessError,
    ) as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.warning("LoRAs are merged without the card's own kernel, which takes longer", reason=reason)
        return plainly
    return kernel.Kernel(matrices)
