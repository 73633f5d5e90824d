"""A LoRA file's tensors → one pair of matrices for each module of this model, or a refusal with the reason.

All or nothing: a file of which only half would take effect is refused, since its picture would look right and
be wrong. Layers of other kinds (LoKr, LoHa, DoRA, biases) are refused by name, too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import LoraDamaged, LoraForAnotherModel, LoraUnsupported
from engine.lora.keys import Part, module_names, read_key
from engine.shelf import MAX_RANK

SHOWN = 3  # names listed in a refusal; enough to recognise the layout by
FLOATS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What a LoRA adds to one linear layer at strength 1: ``up @ down``.

    Attributes:
        down: Shape (rank, in).
        up: Shape (out, rank); the file's alpha / rank is multiplied in.
    """

    down: Tensor
    up: Tensor


def normalise(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Pair]:
    """Bring a file's tensors to the model's own names.

    Args:
        tensors: As read from the file, in any known layout.
        shapes: The model's linear layers: path → (out, in).

    Returns:
        Module path → its pair, for every module that the file names.

    Raises:
        LoraForAnotherModel: Modules or shapes are not this model's.
        LoraUnsupported: Its tensors are of another kind than plain LoRA, or its rank is too large.
        LoraDamaged: Halves are missing, or values are not finite or all zero.
        Each has the facts ``why``, a word, and ``found``, the first few names it is about.
    """
    known = module_names(shapes)
    are_finite = _are_finite(tensors.values())
    pairs: dict[str, Pair] = {}
    for path, parts in _by_path(tensors).items():
        if path not in known:
            raise LoraForAnotherModel(why="unknown_modules", found=_unknown_paths(tensors, known))
        pair_of_path = _pair(path, parts, are_finite=are_finite)
        for module, pair in _split(path, pair_of_path, known[path], shapes).items():
            if module in pairs:
                raise LoraDamaged(why="named_twice", found=(module,))
            pairs[module] = pair
    if not pairs:
        raise LoraForAnotherModel(why="empty", found=())
    if not any(pair.down.any() and pair.up.any() for pair in pairs.values()):
        raise LoraDamaged(why="all_zero", found=())
    return pairs


def _by_path(tensors: Mapping[str, Tensor]) -> dict[str, dict[Part, Tensor]]:
    """Group the tensors by the file's own names of modules."""
    grouped: dict[str, dict[Part, Tensor]] = {}
    unknown = []
    for name in sorted(tensors):
        key = read_key(name)
        if key is None:
            unknown.append(name)
        elif key.part in grouped.setdefault(key.path, {}):
            raise LoraDamaged(why="named_twice", found=(name,))
        else:
            grouped[key.path][key.part] = tensors[name]
    if unknown:
        raise LoraUnsupported(why="unknown_tensors", found=_first(unknown))
    return grouped


def _unknown_paths(tensors: Mapping[str, Tensor], known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return _first([path for path in _by_path(tensors) if path not in known])


def _pair(path: str, parts: Mapping[Part, Tensor], *, are_finite: bool) -> Pair:
    """Check one module's tensors and bake alpha in; ``are_finite``: that all are, where it is known."""
    if Part.DOWN not in parts or Part.UP not in parts:
        raise LoraDamaged(why="half_a_pair", found=(path,))
    if any(part.dtype not in FLOATS for part in parts.values()):
        raise LoraUnsupported(why="number_format", found=(path,))
    down, up = parts[Part.DOWN], parts[Part.UP]
    if down.ndim != 2 or up.ndim != 2:
        raise LoraUnsupported(why="not_linear", found=(path,))
    rank = down.shape[0]
    if not 1 <= rank <= MAX_RANK:
        raise LoraUnsupported(why="rank", found=(path,))
    if up.shape[1] != rank:
        raise LoraDamaged(why="half_a_pair", found=(path,))
    if not are_finite and not all(is_finite(part) for part in parts.values()):
        raise LoraDamaged(why="not_finite", found=(path,))
    alpha = parts.get(Part.ALPHA)
    if alpha is not None:
        if alpha.numel() != 1:
            raise LoraDamaged(why="alpha", found=(path,))
        scale = alpha.item() / rank
        if scale != 1:  # otherwise the file's own numbers are used in place
            up = (up.float() * scale).to(up.dtype)
        if abs(scale) > 1 and not is_finite(up):  # the product may leave the range of both of its factors
            raise LoraDamaged(why="not_finite", found=(path,))
    return Pair(down, up)


def _are_finite(tensors: Collection[Tensor]) -> bool:
    """Whether every number is finite, found out at a glance; False: one is not, or there is no such glance.

    Tensors of a file are adjacent in memory: one look at all of them takes 3 ms where 476 looks take 45, most
    of it to wake torch's threads (159 MB, 16 cores).
    """
    spans: dict[tuple[int, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        if tensor.dtype not in FLOATS or not tensor.is_contiguous() or not tensor.numel():
            return False
        spans.setdefault((tensor.untyped_storage().data_ptr(), tensor.dtype), []).append(tensor)
    return all(is_finite(_span(own)) for own in spans.values())


def _span(tensors: Sequence[Tensor]) -> Tensor:
    """From the first to the last number of tensors of one storage and one number format."""
    start = min(tensor.storage_offset() for tensor in tensors)
    end = max(tensor.storage_offset() + tensor.numel() for tensor in tensors)
    return tensors[0].as_strided((end - start,), (1,), start)


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; by the least and the greatest, in a tenth of ``isfinite``'s time."""
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor))


def _split(
    path: str, pair: Pair, modules: Sequence[str], shapes: Mapping[str, tuple[int, int]]
) -> dict[str, Pair]:
    """Check a pair against the model; where it spans several modules, give each its rows."""
    rows = [shapes[module][0] for module in modules]
    columns = {shapes[module][1] for module in modules}
    if {pair.down.shape[1]} != columns or pair.up.shape[0] != sum(rows):
        raise LoraForAnotherModel(why="shape", found=(path,))
    return {
        module: Pair(pair.down, up) for module, up in zip(modules, torch.split(pair.up, rows), strict=True)
    }


def _first(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[:SHOWN])
