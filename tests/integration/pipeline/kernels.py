"""Run as a program: the card's kernels in Triton's interpreter, on the CPU, held against torch's results.

The interpreter is chosen when Triton is imported, so it has a process of its own: TRITON_INTERPRET=1.
"""

from typing import Any

import torch

from engine.demo.nets import WEIGHTS
from engine.lora import kernel
from engine.lora.ways import Matrix
from engine.zimage.forward import fusions, kernels, plain
from engine.zimage.load import choose_placement, load_pipeline
from engine.zimage.text import encoder, rope_kernel
from engine.zimage.vae import norm_kernels as vae_kernels
from engine.zimage.vae.decoder import _exchange
from tests.integration.pipeline.reference import error_of, turned_plainly

EPSILON = 1e-3  # large enough to be missed
CPU = torch.device("cpu")
# Small ones, of which no block of a kernel is full, and those of Z-Image-Turbo.
SIDES = [fusions.Sides(width=96, head=16, inner=96), fusions.Sides(width=3840, head=128, inner=10_240)]
# Queries, keys, numbers of each: of the built-in text encoder and of Qwen3.
HEADS = [(4, 2, 40), (32, 8, 128)]
ROUND, NOT_ROUND = (32, 48), (32, 50)  # sides of a weight, at which a merge has kernels of its own


def main() -> None:
    """Print the largest relative errors; raise where a merge is wrong."""
    fused = fusions.Fusions(
        kernels.norm, kernels.add, kernels.add_norm, kernels.turn, kernels.swiglu, plain.pack
    )
    in_eight = fused._replace(**kernels.IN_EIGHT)
    for sides in SIDES:
        for number_format in (torch.float32, torch.bfloat16):
            print("error", number_format, fusions._difference(fused, CPU, number_format, sides))
        print("error", "float8", fusions._difference(in_eight, CPU, torch.float32, sides))
    for heads in HEADS:
        print("turned", error_of_turn(*heads))
    pipeline = load_pipeline(WEIGHTS, choose_placement("cpu"))
    _exchange(pipeline.vae.decoder, vae_kernels)
    print("encoder", error_of_encoder(pipeline.text_encoder.base_model))
    kernel.CLOSE_EIGHT *= 2  # the interpreter cuts eight bits off, a card rounds
    for shape in (ROUND, NOT_ROUND):
        for is_eight in (False, True):
            # The interpreter has no products in bfloat16.
            matrices = {"a": Matrix(torch.zeros(shape), {"a": slice(None)})}
            kernel.Kernel(matrices, {"a"} if is_eight else ()).try_out()


def error_of_turn(queries: int, keys: int, head: int) -> float:
    """Of queries and keys, each with weights of its own; the values must stay as they are."""
    generator = torch.Generator().manual_seed(1)
    qkv = torch.randn(3, queries + 2 * keys, head, generator=generator)
    norms, angles = torch.randn(2, head, generator=generator), torch.randn(3, head // 2, generator=generator)
    cos, sin = (torch.cat([each, each], dim=-1) for each in (angles.cos(), angles.sin()))
    expected = qkv.clone()
    turned_plainly(expected, norms, cos, sin, queries, EPSILON)
    rope_kernel.turn(qkv, norms, cos, sin, queries, EPSILON)
    assert torch.equal(qkv[:, -keys:], expected[:, -keys:])
    return error_of(qkv, expected)


@torch.no_grad()
def error_of_encoder(whole: Any) -> float:
    """Of a whole text, against the library's layers."""
    tokens = torch.tensor([[7, 5, 3, 2, 11]])
    expected = whole(tokens).last_hidden_state
    encoder.exchange(whole, rope_kernel.turn, kernels.swiglu)
    return error_of(whole(tokens).last_hidden_state, expected)


if __name__ == "__main__":
    main()
