"""What a LoRA adds to the model's parameters: values that hold tensors and do nothing.

ΔW is the difference of a linear layer's weight at strength 1. Each value states it in the form in which the
file stores it, because the dense form of one is as large as the layer. Every scale of the file is multiplied
in, in float32, before the one rounding to the number format of the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """ΔW = ``up @ down``.

    Attributes:
        down: Shape (rank, in).
        up: Shape (out, rank).
    """

    down: Tensor
    up: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The factors; the update is zero if one of them is."""
        return self.down, self.up


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker:
    """ΔW = ``left`` ⊗ ``right``, the Kronecker product, or some of its rows.

    Attributes:
        left: Shape (a, b).
        right: Shape (c, d) with b·d = in; a·c = out, unless the product is a fused matrix's and its modules
            do not end where a row of ``left`` does.
        start: The product's first row that counts, less than c.
        out: How many rows count; None for all.
    """

    left: Tensor
    right: Tensor
    start: int = 0
    out: int | None = None

    @property
    def rows(self) -> slice:
        """The rows of the product that count."""
        return slice(self.start, None if self.out is None else self.start + self.out)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The factors; the update is zero if one of them is."""
        return self.left, self.right


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """ΔW itself.

    Attributes:
        delta: Shape (out, in).
    """

    delta: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The one factor; the update is zero if it is."""
        return (self.delta,)


Term = LowRank | Kronecker | Dense


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What a LoRA changes in one linear layer.

    With strength s the layer's weight is ``W + s·ΔW``, ΔW being the sum of the terms. With a magnitude m
    (DoRA) it is ``W + s·(m / ‖W + ΔW‖ · (W + ΔW) - W)``, the norm taken per row: it needs the base weight W.

    Attributes:
        terms: May be empty if there is a bias.
        magnitude: Shape (out,); None for anything but DoRA.
        bias: Shape (out,), added to the layer's bias; None if the file has none.
    """

    terms: tuple[Term, ...]
    magnitude: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FileUpdates:
    """Everything that one file changes.

    Attributes:
        linears: The library's layer → its update.
        vectors: Any other parameter, as a norm's weight → its difference, of the parameter's shape.
    """

    linears: Mapping[str, Update]
    vectors: Mapping[str, Tensor] = field(default_factory=dict)
