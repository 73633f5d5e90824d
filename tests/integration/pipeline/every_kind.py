"""Random LoRAs of every kind of update, for every parameter of a model."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.lora.updates import Dense, FileUpdates, Kronecker, LowRank, Update

Shapes = Mapping[str, tuple[int, ...]]
SIZE = 0.03  # of an element of ΔW, beside weights of about 0.06
RANK = 4


class Maker:
    """Makes random updates of one layer.

    Args:
        generator: Of the numbers.
        weight: The layer's base weight.
        dtype: The number format of the file.
    """

    def __init__(self, generator: torch.Generator, weight: Tensor, dtype: torch.dtype) -> None:
        self._generator, self._weight, self._dtype = generator, weight, dtype
        self._out, self._into = weight.shape

    def numbers(self, *shape: int, size: float = SIZE) -> Tensor:
        return (torch.randn(shape, generator=self._generator) * size).to(self._dtype)

    def low_rank(self, rank: int = RANK) -> LowRank:
        own = (SIZE / rank**0.5) ** 0.5
        return LowRank(self.numbers(rank, self._into, size=own), self.numbers(self._out, rank, size=own))

    def kronecker(self) -> Kronecker:
        a, b = (next(n for n in (2, 3, 5, 1) if side % n == 0) for side in (self._out, self._into))
        right = self.numbers(self._out // a, self._into // b)
        return Kronecker(self.numbers(a, b, size=1.0), right)

    def dense(self) -> Dense:
        return Dense(self.numbers(self._out, self._into))

    def magnitude(self) -> Tensor:
        return (self._weight.float().norm(dim=1) * (1.2 + 5 * self.numbers(self._out).float())).to(
            self._dtype
        )

    def bias(self) -> Tensor:
        return self.numbers(self._out, size=0.1)


KINDS: dict[str, Callable[[Maker], Update]] = {
    "low rank": lambda make: Update((make.low_rank(),)),
    "two pairs": lambda make: Update((make.low_rank(), make.low_rank(3))),
    "Kronecker": lambda make: Update((make.kronecker(),)),
    "dense": lambda make: Update((make.dense(),)),
    "sum": lambda make: Update((make.low_rank(), make.kronecker(), make.dense())),
    "DoRA": lambda make: Update((make.low_rank(),), make.magnitude()),
    "DoRA of Kronecker": lambda make: Update((make.kronecker(),), make.magnitude()),
    "DoRA of dense": lambda make: Update((make.dense(),), make.magnitude()),
    "magnitude alone": lambda make: Update((), make.magnitude()),
    "bias": lambda make: Update((), None, make.bias()),
    "DoRA with bias": lambda make: Update((make.low_rank(),), make.magnitude(), make.bias()),
}


def updates_of(
    kind: str,
    bases: Mapping[str, Tensor],
    vectors: Shapes,
    seed: int = 0,
    only: str = "",
    dtype: torch.dtype = torch.float32,
) -> FileUpdates:
    """A LoRA of one kind; of all kinds in turn if it is "all", of norms alone if it is "vectors".

    Args:
        kind: Which.
        bases: The library's layer → its base weight.
        vectors: The library's norms and pad tokens → their shapes.
        seed: Of the numbers.
        only: A part of the names of the layers that it changes.
        dtype: The number format of the file.
    """
    generator = torch.Generator().manual_seed(seed)
    linears: dict[str, Update] = {}
    names = [name for name in bases if only in name] if kind != "vectors" else []
    for number, name in enumerate(names):
        make = Maker(generator, bases[name], dtype)
        own = list(KINDS)[(number + seed) % len(KINDS)] if kind == "all" else kind
        linears[name] = KINDS[own](make)
    changed: dict[str, Tensor] = {}
    if kind in ("all", "vectors"):
        changed = {
            name: (torch.randn(shape, generator=generator) * 0.1).to(dtype)
            for name, shape in vectors.items()
            if only in name
        }
    return FileUpdates(linears, changed)
