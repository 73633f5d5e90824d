"""Which tensors make one update of a layer, which shape it has, and what it becomes in memory.

Shapes alone decide, so that shelf and worker decide the same. A LoHa of ranks r and s is an exact LoRA of
rank r·s: the row-wise Khatri-Rao product of its pairs. A LoKr whose right factor is a pair of rank r is an
exact LoRA too, but its own factors are smaller beyond a small rank.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.shelf.layouts import Part

MAX_RANK = 1024  # converters of fused query, key and value triple a rank of 256; 384 is published
LOKR_RANK = 64  # up to here a LoKr is held as a LoRA, which needs no kernel of its own

_Shape = tuple[int, ...]
_PRODUCTS = (
    frozenset({Part.DOWN, Part.UP}),
    frozenset({Part.HADA_LEFT_UP, Part.HADA_LEFT_DOWN, Part.HADA_RIGHT_UP, Part.HADA_RIGHT_DOWN}),
    frozenset({Part.LOKR_LEFT, Part.LOKR_RIGHT}),
    frozenset({Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN, Part.LOKR_RIGHT}),
    frozenset({Part.LOKR_LEFT, Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN}),
    frozenset({Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN, Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN}),
    frozenset({Part.DIFF}),
    frozenset[Part](),  # a bias alone
)
_BESIDE = {Part.ALPHA, Part.MAGNITUDE, Part.UP_BIAS, Part.DIFF_BIAS}


class ChangeKind(StrEnum):
    """One way to state what changes in a layer; ``engine.lora.updates`` holds the values.

    LOW_RANK   up @ down: LoRA, and what is converted to it exactly
    KRONECKER  left ⊗ right: LoKr
    DENSE      the difference itself, as large as the layer: ``.diff``, LoHa of a large rank
    MAGNITUDE  the norms of a layer's rows beside its other updates: DoRA
    BIAS       a difference of a layer's bias
    VECTOR     a difference of any other parameter, as a norm's weight
    """

    LOW_RANK = "low_rank"
    KRONECKER = "kronecker"
    DENSE = "dense"
    MAGNITUDE = "magnitude"
    BIAS = "bias"
    VECTOR = "vector"


@dataclass(frozen=True, slots=True)
class Product:
    """The difference of a weight that some tensors make.

    Attributes:
        kind: As which it is held.
        shape: (out, in).
        rank: The number that alpha is divided by; None if alpha does not count.
        held_rank: The rank as which it is held; 0 if it is no low-rank update.
        factors: Shapes of a Kronecker product's two factors.
    """

    kind: ChangeKind
    shape: tuple[int, int]
    rank: int | None = None
    held_rank: int = 0
    factors: tuple[tuple[int, int], ...] = ()

    def numbers(self, modules: int) -> int:
        """Return how many numbers are held for a product whose rows belong to several modules."""
        out, into = self.shape
        if self.kind is ChangeKind.LOW_RANK:
            return self.held_rank * (out + modules * into)
        return sum(map(math.prod, self.factors)) * modules if self.factors else out * into


def matrix_shape(shape: _Shape) -> tuple[int, int] | None:
    """Return the shape of a matrix, also of one that is written as a convolution of one pixel."""
    return (shape[0], shape[1]) if len(shape) >= 2 and math.prod(shape[2:]) == 1 else None


def vector_length(shape: _Shape) -> int | None:
    """Return how many numbers a vector has, also one that is written as a column."""
    return shape[0] if shape and math.prod(shape[1:]) == 1 else None


def is_complete(parts: Mapping[Part, _Shape]) -> bool:
    """Whether these parts of one module make an update: one product or none, and what belongs to it."""
    product = parts.keys() - _BESIDE
    if product not in _PRODUCTS or {Part.UP_BIAS, Part.DIFF_BIAS} <= parts.keys():
        return False
    if Part.UP_BIAS in parts and Part.UP not in parts:
        return False
    return bool(product) or parts.keys() == {Part.DIFF_BIAS}


def product_of(parts: Mapping[Part, _Shape]) -> Product | None:
    """Return what complete parts make; None if their matrices cannot be multiplied, or are none."""
    shapes = {part: matrix_shape(shape) for part, shape in parts.items() if part not in _BESIDE}
    if None in shapes.values():
        return None
    known = {part: shape for part, shape in shapes.items() if shape}
    if Part.DIFF in known:
        return Product(ChangeKind.DENSE, known[Part.DIFF])
    if Part.UP in known:
        pair = _multiply(known[Part.UP], known[Part.DOWN])
        return pair and Product(ChangeKind.LOW_RANK, pair[0], pair[1], pair[1])
    if Part.HADA_LEFT_UP in known:
        return _loha(known)
    return _lokr(known)


def _multiply(up: tuple[int, int], down: tuple[int, int]) -> tuple[tuple[int, int], int] | None:
    """Return the product's shape and rank."""
    return ((up[0], down[1]), up[1]) if up[1] == down[0] else None


def _loha(shapes: Mapping[Part, tuple[int, int]]) -> Product | None:
    left = _multiply(shapes[Part.HADA_LEFT_UP], shapes[Part.HADA_LEFT_DOWN])
    right = _multiply(shapes[Part.HADA_RIGHT_UP], shapes[Part.HADA_RIGHT_DOWN])
    if left is None or right is None or left[0] != right[0]:
        return None
    rank = left[1] * right[1]
    if rank > MAX_RANK:
        return Product(ChangeKind.DENSE, left[0], left[1])
    return Product(ChangeKind.LOW_RANK, left[0], left[1], rank)


def _lokr(shapes: Mapping[Part, tuple[int, int]]) -> Product | None:
    left = _factor(shapes, Part.LOKR_LEFT, Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN)
    right = _factor(shapes, Part.LOKR_RIGHT, Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN)
    if left is None or right is None:
        return None
    factors = (left[0], right[0])
    shape = (factors[0][0] * factors[1][0], factors[0][1] * factors[1][1])
    rank = left[1] if right[1] is None else right[1]
    held = (factors[0][1] if left[1] is None else left[1]) * (right[1] or 0)
    if right[1] is not None and held <= LOKR_RANK:
        return Product(ChangeKind.LOW_RANK, shape, rank, held)
    return Product(ChangeKind.KRONECKER, shape, rank, factors=factors)


def _factor(
    shapes: Mapping[Part, tuple[int, int]], whole: Part, up: Part, down: Part
) -> tuple[tuple[int, int], int | None] | None:
    """Return a factor's shape and its rank; no rank if it is whole."""
    return (shapes[whole], None) if whole in shapes else _multiply(shapes[up], shapes[down])
