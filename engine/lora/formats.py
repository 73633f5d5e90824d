"""Turns a LoRA file's tensors into the updates of this model's modules.

``engine.shelf.validation`` proves names, kinds and shapes, and decides in which form an update is held; this
module checks the numbers. Every conversion is exact: it multiplies in float32 and rounds once, to the number
format that the caller asks for. Tensors that need no conversion are used in place.

The scale of a module's product is, and only one of these counts:

1. alpha / rank, if the file has a tensor ``alpha`` for the module, in any number format. For LoKr the rank is
   its factored side's; with two whole factors alpha says nothing, and trainers write any number.
2. else what ``__metadata__`` states as peft's configuration: alpha / rank, or alpha / √rank with rslora, each
   by the module's pattern (``engine.shelf.metadata``);
3. else 1, for each module by itself, whatever the ranks of the others: ΔW = up · down. So does diffusers
   since August 2026 (#14409). Before, one module's rank was the alpha of all, and a file of mixed ranks
   without alphas was drawn at a strength that depended on the order of its keys.

A file that peft itself saves has its alpha in a file beside it, which nobody shares: it is drawn by rule 3.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.checkpoint.header import Tensor as Entry
from engine.cuda.dtypes import DTYPES
from engine.errors import LoraDamaged
from engine.lora.updates import Dense, FileUpdates, Kronecker, LowRank, Term, Update
from engine.shelf.algorithms import ChangeKind
from engine.shelf.layouts import Part
from engine.shelf.validation import NO_METADATA, NO_VECTORS, LoraLayer, find_layers

SHOWN = 3  # names listed in a refusal; enough to recognise the layout by
FLOATS = (torch.float32, torch.bfloat16, torch.float16)
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_VECTORS = (Part.MAGNITUDE, Part.UP_BIAS, Part.DIFF_BIAS)

Parts = Mapping[Part, Tensor]


def normalise(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, int]],
    vectors: Mapping[str, int] = NO_VECTORS,
    metadata: Mapping[str, str] = NO_METADATA,
    dtype: torch.dtype = torch.float32,
) -> FileUpdates:
    """Convert a file's tensors to the model's own names.

    Args:
        tensors: As read from the file, in any known layout.
        shapes: The model's linear layers: path → (out, in).
        vectors: The model's norms and biases: name → length.
        metadata: Of the file.
        dtype: The number format of what is computed; the file's own numbers keep theirs.

    Raises:
        LoraRejected: As ``find_layers``.
        LoraDamaged: Also if values are not finite or all zero.
        Each has the facts ``why``, a word, and ``found``, the first few names that are wrong.
    """
    entries = {
        name: Entry(_NAMES.get(each.dtype, str(each.dtype)), tuple(each.shape))
        for name, each in tensors.items()
    }
    layers = find_layers(entries, shapes, vectors, metadata)
    are_finite = _are_finite(tensors.values())
    linears: dict[str, Update] = {}
    norms: dict[str, Tensor] = {}
    for layer in layers:
        parts = {part: _matrix(tensors[name], part) for part, name in layer.tensors.items()}
        if not are_finite and not all(is_finite(part) for part in parts.values()):
            raise LoraDamaged(why="not_finite", found=(layer.path,))
        if ChangeKind.VECTOR in layer.kinds:
            norms[f"{layer.modules[0]}.weight"] = parts[Part.DIFF].flatten()
            continue
        rows = [shapes[module][0] for module in layer.modules]
        linears |= zip(layer.modules, _updates(layer, parts, rows, dtype), strict=True)
    updates = FileUpdates(linears, norms)
    if not _has_effect(updates):
        raise LoraDamaged(why="all_zero", found=())
    return updates


def _matrix(tensor: Tensor, part: Part) -> Tensor:
    """Return the numbers in a format that torch computes in, and without the sides of a convolution."""
    if part in _VECTORS:
        tensor = tensor.flatten()
    elif part is not Part.ALPHA and tensor.dim() > 2:
        tensor = tensor.reshape(tensor.shape[:2])
    if part is Part.ALPHA:
        return tensor.double()
    return tensor if tensor.dtype in FLOATS else tensor.float()


def _updates(layer: LoraLayer, parts: Parts, rows: Sequence[int], dtype: torch.dtype) -> Iterator[Update]:
    """Return the update of each of a layer's modules, which share the rows of its matrices."""
    scale = _scale(layer, parts)
    pieces = {part: torch.split(parts[part], list(rows)) for part in _VECTORS if part in parts}
    terms = _terms(layer, parts, rows, scale, dtype) if layer.product else [None] * len(rows)
    for place, term in enumerate(terms):
        vectors = {part: own[place] for part, own in pieces.items()}
        bias = vectors.get(Part.DIFF_BIAS)
        if Part.UP_BIAS in vectors:
            bias = _scaled(vectors[Part.UP_BIAS], scale, layer, dtype)
        yield Update((term,) if term else (), vectors.get(Part.MAGNITUDE), bias)


def _scale(layer: LoraLayer, parts: Parts) -> float:
    """Return what the product is multiplied by: alpha / rank by tensor, else as the metadata say."""
    if Part.ALPHA not in parts:
        return layer.scale
    if layer.product is None or layer.product.rank is None:
        return 1.0  # LoKr of two whole factors: trainers write any number
    return parts[Part.ALPHA].item() / layer.product.rank


def _terms(
    layer: LoraLayer, parts: Parts, rows: Sequence[int], scale: float, dtype: torch.dtype
) -> list[Term]:
    """Return the difference of each module's weight."""
    if Part.UP in parts:
        up = _scaled(parts[Part.UP], scale, layer, dtype)
        return [LowRank(parts[Part.DOWN], own) for own in torch.split(up, list(rows))]
    if Part.DIFF in parts:
        return [Dense(own) for own in torch.split(parts[Part.DIFF], list(rows))]
    if Part.HADA_LEFT_UP in parts:
        return _loha(layer, parts, rows, scale, dtype)
    return _lokr(layer, parts, rows, scale, dtype)


def _loha(
    layer: LoraLayer, parts: Parts, rows: Sequence[int], scale: float, dtype: torch.dtype
) -> list[Term]:
    """Return (A₁B₁ ∘ A₂B₂): the Khatri-Rao products of rows of A and of columns of B, or the numbers."""
    ups = [parts[part].float() for part in (Part.HADA_LEFT_UP, Part.HADA_RIGHT_UP)]
    downs = [parts[part].float() for part in (Part.HADA_LEFT_DOWN, Part.HADA_RIGHT_DOWN)]
    if ChangeKind.DENSE in layer.kinds:
        delta = _checked((ups[0] @ downs[0]) * (ups[1] @ downs[1]) * scale, layer, dtype)
        return [Dense(own) for own in torch.split(delta, list(rows))]
    up = torch.einsum("or,os->ors", *ups).flatten(1) * scale
    down = _checked(torch.einsum("ri,si->rsi", *downs).flatten(0, 1), layer, dtype)
    return [LowRank(down, own) for own in torch.split(_checked(up, layer, dtype), list(rows))]


def _lokr(
    layer: LoraLayer, parts: Parts, rows: Sequence[int], scale: float, dtype: torch.dtype
) -> list[Term]:
    """Return L ⊗ R; with R = A·B as (L ⊗ A)·(I ⊗ B), and with L = C·D too as (C ⊗ A)·(D ⊗ B)."""
    left_up, left_down = (
        parts[part].float() if part in parts else None for part in (Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN)
    )
    if ChangeKind.LOW_RANK in layer.kinds:
        up, down = (parts[part].float() for part in (Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN))
        if left_up is None or left_down is None:
            left_up = parts[Part.LOKR_LEFT].float()
            left_down = torch.eye(left_up.shape[1])
        wide = _checked(torch.kron(left_up * scale, up), layer, dtype)
        low = _checked(torch.kron(left_down, down), layer, dtype)
        return [LowRank(low, own) for own in torch.split(wide, list(rows))]
    if left_up is None or left_down is None:
        left = _scaled(parts[Part.LOKR_LEFT], scale, layer, dtype)
    else:
        left = _checked(left_up @ left_down * scale, layer, dtype)
    if Part.LOKR_RIGHT in parts:
        right = parts[Part.LOKR_RIGHT]
    else:
        up, down = (parts[part].float() for part in (Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN))
        right = _checked(up @ down, layer, dtype)
    starts = [sum(rows[:place]) for place in range(len(rows))]
    return [
        Kronecker(*_rows_of(left, right, start, own), start=start % len(right), out=own)
        for start, own in zip(starts, rows, strict=True)
    ]


def _rows_of(left: Tensor, right: Tensor, start: int, rows: int) -> tuple[Tensor, Tensor]:
    """Return the factors without the rows of ``left`` of which a module has nothing."""
    height = len(right)
    return left[start // height : -(-(start + rows) // height)], right


def _scaled(tensor: Tensor, scale: float, layer: LoraLayer, dtype: torch.dtype) -> Tensor:
    """Multiply in float32 and round once; the file's own numbers are used in place if there is no scale."""
    return tensor if scale == 1 else _checked(tensor.float() * scale, layer, dtype)


def _checked(numbers: Tensor, layer: LoraLayer, dtype: torch.dtype) -> Tensor:
    """Round; a product may leave the range of both of its factors."""
    rounded = numbers.to(dtype)
    if not is_finite(rounded):
        raise LoraDamaged(why="not_finite", found=(layer.path,))
    return rounded


def _has_effect(updates: FileUpdates) -> bool:
    """Whether any number of any update changes anything."""
    return any(vector.any() for vector in updates.vectors.values()) or any(
        update.magnitude is not None
        or (update.bias is not None and bool(update.bias.any()))
        or any(all(bool(factor.any()) for factor in term.tensors) for term in update.terms)
        for update in updates.linears.values()
    )


def _are_finite(tensors: Collection[Tensor]) -> bool:
    """Whether every number is finite, by one check of the whole file; False also if that is not possible.

    Tensors of a file are adjacent in memory: one check of all of them takes 3 ms, 476 checks take 45, most of
    it to wake torch's threads (159 MB, 16 cores).
    """
    spans: dict[tuple[int, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        if tensor.dtype not in FLOATS or not tensor.is_contiguous() or not tensor.numel():
            return False
        spans.setdefault((tensor.untyped_storage().data_ptr(), tensor.dtype), []).append(tensor)
    return all(is_finite(_span(own)) for own in spans.values())


def _span(tensors: Sequence[Tensor]) -> Tensor:
    """Return all numbers from the first to the last of tensors with one storage and one number format."""
    start = min(tensor.storage_offset() for tensor in tensors)
    end = max(tensor.storage_offset() + tensor.numel() for tensor in tensors)
    return tensors[0].as_strided((end - start,), (1,), start)


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; by the least and the greatest, in a tenth of ``isfinite``'s time."""
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor))
