"""One LoRA as the worker keeps it: in the model's number format, in two blocks of memory, ready for use.

Most layers of most LoRAs change by a pair of thin matrices, which the merge kernel and the side path take as
they are. Everything else is a ``WeightChange``; ``merged_rows`` is its arithmetic, in float32.

DoRA: a row of the weight W becomes ``m / ‖W + ΔW‖ · (W + ΔW)``, as in the paper and in peft; the norm
includes ΔW at strength 1. (ComfyUI 0.3.77 divides by ‖W‖.) Strength s goes along the straight line from W to
that, as in ComfyUI; in peft it would change the norm, too, and 0 would not give W. Each DoRA of a stack
refers to the base weight, so that their order does not matter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.errors import LoraDamaged
from engine.lora.formats import SHOWN, is_finite
from engine.lora.updates import Dense, FileUpdates, Kronecker, LowRank, Term, Update

CHUNK_NUMBERS = 2**23  # of a weight in float32 at a time: 32 MiB, and as much again for each of two terms

Move = Callable[[Tensor], Tensor]  # a tensor → the same numbers at another place
BaseOf = Callable[[str], Tensor]  # the library's layer → its base weight [out, in], on any device


@dataclass(frozen=True, slots=True, eq=False)
class WeightChange:
    """What a LoRA changes in one layer's weight, if that is more than a pair.

    With strength s, W becomes ``W + s·ΔW``, ΔW being the sum of the terms; with factors, it becomes
    ``W + s·(factors · (W + ΔW) - W)``.

    Attributes:
        terms: May be empty with factors.
        factors: float32 [out]; None for anything but DoRA.
    """

    terms: tuple[Term, ...]
    factors: Tensor | None = None


def _no_numbers() -> Tensor:
    return torch.empty(0)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Adapter:
    """One LoRA in the model's number format, on its device.

    Attributes:
        pairs: The library's layer → its pair of matrices at strength 1, if its weight changes by that alone.
        block: The one-dimensional block of memory that holds all matrices.
        changes: The library's layer → any other change of its weight.
        vectors: The library's bias or norm → its difference, float32.
        small_block: The one-dimensional block of memory that holds vectors and factors.
        parts: All layers whose weights change.
    """

    pairs: Mapping[str, LowRank]
    block: Tensor
    changes: Mapping[str, WeightChange] = field(default_factory=dict)
    vectors: Mapping[str, Tensor] = field(default_factory=dict)
    small_block: Tensor = field(default_factory=_no_numbers)
    parts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", frozenset((*self.pairs, *self.changes)))

    @property
    def held_bytes(self) -> int:
        """Memory in use, including the rest of a file that was read as one block."""
        return _held_bytes(self.block) + _held_bytes(self.small_block)

    @property
    def nbytes(self) -> int:
        """What it takes of a card."""
        return self.block.nbytes + self.small_block.nbytes

    def on(self, device: torch.device) -> "Adapter":
        """Return the same LoRA on another device, each block copied at once."""
        if self.block.device == device:
            return self
        blocks = [each.to(device, non_blocking=True) for each in (self.block, self.small_block)]
        return self.moved(
            _move(self.block, blocks[0]), blocks[0], _move(self.small_block, blocks[1]), blocks[1]
        )

    def moved(self, matrix: Move, block: Tensor, small: Move, small_block: Tensor) -> "Adapter":
        """Return the same LoRA in other blocks.

        Args:
            matrix: Moves a matrix; called in the order of ``matrices``.
            block: The block of the matrices.
            small: Moves a vector or factors; called in the order of ``small_tensors``.
            small_block: The block of these.
        """
        pairs = {part: LowRank(matrix(pair.down), matrix(pair.up)) for part, pair in self.pairs.items()}
        changes = {
            part: WeightChange(
                tuple(_moved_term(term, matrix) for term in change.terms),
                None if change.factors is None else small(change.factors),
            )
            for part, change in self.changes.items()
        }
        vectors = {name: small(vector) for name, vector in self.vectors.items()}
        return Adapter(pairs, block, changes, vectors, small_block)

    @property
    def matrices(self) -> list[Tensor]:
        """All matrices."""
        pairs = [each for pair in self.pairs.values() for each in (pair.down, pair.up)]
        terms = (term for change in self.changes.values() for term in change.terms)
        return [*pairs, *(each for term in terms for each in _matrices_of(term))]

    @property
    def small_tensors(self) -> list[Tensor]:
        """All factors and vectors."""
        factors = [change.factors for change in self.changes.values() if change.factors is not None]
        return [*factors, *self.vectors.values()]


LoraStack = tuple[tuple[Adapter, float], ...]  # the LoRAs of one picture, each with its strength


def convert(updates: FileUpdates, dtype: torch.dtype, base_of: BaseOf, *, is_pinned: bool) -> Adapter:
    """Put a LoRA into one block of main memory, so that it reaches the card in one copy.

    Matrices that already fill one block in the right number format are not copied.

    Args:
        updates: What the file changes.
        dtype: The model's number format.
        base_of: Reads a base weight, for the factors of a DoRA.
        is_pinned: Whether to make the blocks in pinned memory.

    Raises:
        LoraDamaged: Values that are finite in the file's number format are not finite in the model's.
    """
    loose = _loose(updates, base_of)
    matrices = loose.matrices
    is_ready = all(matrix.dtype is dtype for matrix in matrices)
    block = _block_of(matrices) if is_ready else None
    small_block = _new_block(loose.small_tensors, torch.float32, is_pinned=is_pinned)
    small = _fill(loose.small_tensors, small_block)
    if block is not None:
        return loose.moved(lambda matrix: matrix, block, small, small_block)
    block = _new_block(matrices, dtype, is_pinned=is_pinned)
    adapter = loose.moved(_fill(matrices, block), block, small, small_block)
    if not is_ready and not is_finite(block):
        broken = [part for part in (*adapter.pairs, *adapter.changes) if not _is_part_finite(adapter, part)]
        raise LoraDamaged(why="not_finite", found=tuple(broken[:SHOWN]))
    return adapter


def merged_rows(base: Tensor, stack: LoraStack, part: str, rows: slice) -> Tensor:
    """Return rows of a layer's weight with the LoRAs of a stack, in float32.

    Args:
        base: The base weight of these rows [n, in], in any number format.
        stack: The LoRAs.
        part: The library's layer.
        rows: Which rows of it.
    """
    total = base.to(torch.float32, copy=True)
    if (gain := base_gain(stack, part)) is not None:
        total.mul_(gain[rows, None])
    for adapter, strength in stack:
        if pair := adapter.pairs.get(part):
            total.addmm_(pair.up[rows].float(), pair.down.float(), alpha=strength)
        elif change := adapter.changes.get(part):
            factors = None if change.factors is None else change.factors[rows, None]
            for term in change.terms:
                _add_rows(total, term, rows, strength, factors)
    return total


def base_gain(stack: LoraStack, part: str) -> Tensor | None:
    """Return what the DoRAs of a stack multiply the rows of a base weight by: float32 [out]; None for 1."""
    gain: Tensor | None = None
    for adapter, strength in stack:
        change = adapter.changes.get(part)
        if change is not None and change.factors is not None:
            own = strength * (change.factors - 1)
            gain = own + 1 if gain is None else gain + own
    return gain


def row_chunks(shape: Sequence[int]) -> Iterator[slice]:
    """Return slices of the rows of a matrix, each of at most ``CHUNK_NUMBERS`` numbers or one row."""
    rows, columns = shape
    count = max(1, CHUNK_NUMBERS // max(1, columns))
    for start in range(0, rows, count):
        yield slice(start, min(start + count, rows))


def _add_rows(total: Tensor, term: Term, rows: slice, strength: float, factors: Tensor | None) -> None:
    """Add rows of a term to ``total``, multiplied by its strength and its rows' factors [n, 1]."""
    match term:
        case LowRank(down, up):
            own = up[rows].float()
            total.addmm_(own if factors is None else own * factors, down.float(), alpha=strength)
            return
        case Kronecker(left, right, start):
            row = torch.arange(rows.start, rows.stop, device=right.device) + start
            outer, inner = left[row // len(right)].float(), right[row % len(right)].float()
            own = (outer[:, :, None] * inner[:, None, :]).flatten(1)
        case Dense(delta):
            own = delta[rows].float()
    total.add_(own if factors is None else own * factors, alpha=strength)


def _loose(updates: FileUpdates, base_of: BaseOf) -> Adapter:
    """Sort the updates of a file; their tensors stay where they are."""
    pairs: dict[str, LowRank] = {}
    changes: dict[str, WeightChange] = {}
    vectors = dict(updates.vectors)
    for part, update in updates.linears.items():
        if update.bias is not None:
            vectors[f"{part}.bias"] = update.bias
        terms = _joined(update.terms)
        if update.magnitude is not None:
            changes[part] = WeightChange(terms, _factors(part, update, base_of(part)))
        elif len(terms) == 1 and isinstance(terms[0], LowRank):
            pairs[part] = terms[0]
        elif terms:
            changes[part] = WeightChange(terms)
    return Adapter(pairs, torch.empty(0), changes, vectors)


def _joined(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return the same sum with at most one pair, whose rank is the sum of the ranks."""
    pairs = [term for term in terms if isinstance(term, LowRank)]
    if len(pairs) < 2:
        return terms
    pair = LowRank(torch.cat([each.down for each in pairs]), torch.cat([each.up for each in pairs], dim=1))
    return (pair, *(term for term in terms if not isinstance(term, LowRank)))


@torch.no_grad()
def _factors(part: str, update: Update, base: Tensor) -> Tensor:
    """Return m / ‖W + ΔW‖ of each row; 1 for a row of zeros, which no factor changes."""
    assert update.magnitude is not None  # noqa: S101 - only called with one
    change = WeightChange(
        tuple(_moved_term(term, lambda each: each.to(base.device)) for term in update.terms)
    )
    alone: LoraStack = ((Adapter({}, base, {part: change}), 1.0),)
    norms = torch.cat(
        [merged_rows(base[rows], alone, part, rows).norm(dim=1).cpu() for rows in row_chunks(base.shape)]
    )
    factors = torch.where(norms > 0, update.magnitude.float().cpu() / norms, 1.0)
    if not is_finite(factors):
        raise LoraDamaged(why="not_finite", found=(part,))
    return factors


def _moved_term(term: Term, move: Move) -> Term:
    match term:
        case LowRank(down, up):
            return LowRank(move(down), move(up))
        case Kronecker(left, right, start, out):
            return Kronecker(move(left), move(right), start, out)
        case Dense(delta):
            return Dense(move(delta))


def _matrices_of(term: Term) -> tuple[Tensor, ...]:
    match term:
        case LowRank(down, up):
            return down, up
        case Kronecker(left, right):
            return left, right
        case Dense(delta):
            return (delta,)


def _move(old: Tensor, new: Tensor) -> Move:
    """Return a function from a view of one block to the same view of its copy."""

    def move(tensor: Tensor) -> Tensor:
        start = tensor.storage_offset() - old.storage_offset()
        return new[start : start + tensor.numel()].view(tensor.shape)

    return move


def _fill(tensors: Sequence[Tensor], block: Tensor) -> Move:
    """Return a function that copies these tensors, in this order, one after the other into a block."""
    pieces = iter(torch.split(block, [tensor.numel() for tensor in tensors]))
    return lambda tensor: next(pieces).view(tensor.shape).copy_(tensor)


def _new_block(tensors: Iterable[Tensor], dtype: torch.dtype, *, is_pinned: bool) -> Tensor:
    numbers = sum(tensor.numel() for tensor in tensors)
    return torch.empty(numbers, dtype=dtype, pin_memory=is_pinned and numbers > 0)


def _block_of(matrices: Sequence[Tensor]) -> Tensor | None:
    """Return the block of memory that the matrices fill without gaps; None if they do not.

    Alphas in between, of two bytes each, would misalign all following matrices, and a card's threads would
    read them one number at a time.
    """
    if len({matrix.untyped_storage().data_ptr() for matrix in matrices}) != 1:
        return None
    spans = {(matrix.storage_offset(), matrix.numel()) for matrix in matrices}
    start, end = min(offset for offset, _ in spans), max(offset + numbers for offset, numbers in spans)
    if not all(map(Tensor.is_contiguous, matrices)) or sum(numbers for _, numbers in spans) != end - start:
        return None
    return matrices[0].as_strided((end - start,), (1,), start)


def _is_part_finite(adapter: Adapter, part: str) -> bool:
    pair = adapter.pairs.get(part)
    terms = (pair,) if pair is not None else adapter.changes[part].terms
    return all(is_finite(matrix) for term in terms for matrix in _matrices_of(term))


def _held_bytes(block: Tensor) -> int:
    nbytes = block.untyped_storage().nbytes()
    # Torch's allocator of pinned memory rounds each block up to a power of two.
    return 1 << (nbytes - 1).bit_length() if nbytes and block.is_pinned() else nbytes
