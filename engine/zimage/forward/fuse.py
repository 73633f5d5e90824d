"""Fuses a transformer's parameters in place.

Query, key and value become one matrix, so do the feed-forward's w1 and w3, and the modulation layers of all
blocks. The parameters become views of the fused ones: no weight is held twice, and the forward of a library's
transformer still works.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from engine.lora.patches import MergedPatch
from engine.zimage.forward.weights import FUSED, MODULATION, Layer, Modulations, Weights


@torch.no_grad()
def fuse(transformer: torch.nn.Module, places: Mapping[str, MergedPatch]) -> Weights:
    """Fuse a loaded transformer in place. At most one matrix is held twice at a time.

    Args:
        transformer: On its device; ours, or the library's, which has the same names.
        places: Fused name → a weight that is used instead of the transformer's; those may be None.
    """
    linears = {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.startswith("siglip_")
    }
    modulations = _modulations(linears)
    layers: dict[str, Layer] = {}
    parts: dict[str, dict[str, slice]] = {}
    for name, linear in linears.items():
        block, end, members = _fused_name(name)
        if not members:
            place = places.get(name)
            own_layer = Layer(linear.weight.data, linear.bias) if place is None else _in_place(place)
            layers[name], parts[name] = own_layer, {name: slice(None)}
        elif name == block + members[0]:
            own = {block + member: linears[block + member] for member in members}
            place = places.get(block + end)
            layers[block + end] = (
                Layer(concatenate_weights(list(own.values()))) if place is None else _in_place(place)
            )
            parts[block + end] = _rows(own)
    tensors = {
        name: parameter.data
        for name, parameter in transformer.named_parameters()
        if name.rpartition(".")[0] not in linears
    }
    for name in [name for name in tensors if name.endswith(".norm_q.weight")]:
        block = name.removesuffix(".attention.norm_q.weight")
        tensors[f"{block}.norm_qk"] = torch.stack(
            [tensors.pop(name), tensors.pop(name.replace("_q.", "_k."))]
        )
    return Weights(layers, parts, tensors, modulations)


def _in_place(place: MergedPatch) -> Layer:
    return Layer(place.weight, scales=place.scales)


def _modulations(linears: Mapping[str, torch.nn.Linear]) -> Modulations:
    own = {name.removesuffix(MODULATION): each for name, each in linears.items() if name.endswith(MODULATION)}
    rows = _rows(own)
    bias = torch.cat([linear.bias.data for linear in own.values()])
    for name, linear in own.items():
        linear.bias.data = bias[rows[name]]
    return Modulations(Layer(concatenate_weights(list(own.values())), bias), rows)


def _fused_name(name: str) -> tuple[str, str, tuple[str, ...]]:
    """Return a layer's block path, its fused name and the members of the fusion; empty if it stays alone."""
    for end, members in FUSED.items():
        for member in members:
            if name.endswith(member):
                return name.removesuffix(member), end, members
    return "", "", ()


def _rows(linears: Mapping[str, torch.nn.Linear]) -> dict[str, slice]:
    """Return the slice of each layer's rows in the fused matrix."""
    ends = list(accumulate(linear.out_features for linear in linears.values()))
    return {name: slice(start, end) for name, start, end in zip(linears, [0, *ends], ends, strict=False)}


def concatenate_weights(linears: Sequence[torch.nn.Linear]) -> Tensor:
    """Concatenate weights of equal width along their rows; the layers' weights become views of the result."""
    fused = torch.cat([linear.weight.data for linear in linears])
    rows = [linear.out_features for linear in linears]
    for linear, view in zip(linears, torch.split(fused, rows), strict=True):
        linear.weight.data = view
    return fused
