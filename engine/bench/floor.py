"""The floor of a step: its matrix products and its attention alone, of the very shapes, and nothing else."""

from collections.abc import Callable

import torch
import torch.nn.functional as nn

from engine.zimage.forward.forward import Forward
from engine.zimage.forward.tokens import Size, padded, token_count


def products(forward: Forward, rows: int, size: Size, caption: int) -> Callable[[], None]:
    """Every wide matrix product of one step, for ``rows`` pictures with a caption of ``caption`` tokens."""
    picture = padded(token_count(size)) * rows
    whole = picture + padded(caption) * rows
    tokens = {"noise_refiner": picture, "layers": whole, "all_x_embedder": picture, "all_final_layer": whole}
    weights = [
        (layer.weight, tokens[group])
        for name, layer in forward.weights.layers.items()
        if (group := name.partition(".")[0]) in tokens and "adaLN" not in name
    ]
    inputs = {
        (weight.shape[1], count): torch.randn(
            count, weight.shape[1], dtype=weight.dtype, device=weight.device
        )
        for weight, count in weights
    }

    def work() -> None:
        for weight, count in weights:
            nn.linear(inputs[weight.shape[1], count], weight)

    return work


def attention(forward: Forward, rows: int, size: Size, caption: int) -> Callable[[], None]:
    """Every attention of one step, without a mask."""
    picture = padded(token_count(size))
    lengths = [picture] * len(forward.weights.noise_refiner)
    lengths += [picture + padded(caption)] * len(forward.weights.main)
    head = forward.weights.main[0].norm_qk.shape[-1]
    heads = forward.weights.main[0].out.weight.shape[1] // head
    inputs = {
        length: torch.randn(3, rows, heads, length, head, dtype=forward.dtype, device=forward.device)
        for length in set(lengths)
    }

    def work() -> None:
        for length in lengths:
            query, key, value = inputs[length]
            nn.scaled_dot_product_attention(query, key, value)

    return work
