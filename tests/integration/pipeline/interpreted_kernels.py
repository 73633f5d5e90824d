"""A program that compares the card's kernels in Triton's interpreter on the CPU with torch's results.

Triton chooses its interpreter on import (TRITON_INTERPRET=1), so this runs in its own process.
"""

from functools import partial

import torch
from torch.nn.functional import interpolate

from engine.demo.networks import WEIGHTS
from engine.eight_bit import product_kernel
from engine.eight_bit.formats import FP8, INT8, NO_LAYERS, EightBitLayers
from engine.lora import merge_kernel, merger
from engine.lora.adapter import Adapter, WeightChange
from engine.lora.patches import Matrix, MergedPatch
from engine.lora.updates import Kronecker, LowRank
from engine.zimage.device import choose_placement
from engine.zimage.forward import fusions, kernels, reference
from engine.zimage.model_loader import load_pipeline
from engine.zimage.text import rope_kernel
from engine.zimage.text.encoder import TextEncoder
from engine.zimage.vae import norm_kernels as vae_kernels
from engine.zimage.vae.blocks import VaeHalf, flatten
from engine.zimage.vae.kernels import use_tested
from engine.zimage.vae.loader import OwnEncoder, load_encoder
from engine.zimage.vae.strips import run_in_strips
from tests.integration.pipeline.reference import error_of, reference_rope

EPSILON = 1e-3  # large enough to be missed
CPU = torch.device("cpu")
# Small ones, of which no block of a kernel is full or every block is, and those of Z-Image-Turbo.
BLOCK_SIZES = [
    fusions.BlockSizes(width=96, head=16, inner=96),
    fusions.BlockSizes(width=64, head=16, inner=128),
    fusions.BlockSizes(width=3840, head=128, inner=10_240),
]
# Queries, keys, numbers of each: of the built-in text encoder and of Qwen3.
HEADS = [(4, 2, 40), (32, 8, 128)]
ROUND, NOT_ROUND = (32, 48), (32, 50)  # sides of a weight, at which a merge has kernels of its own


def main() -> None:
    """Print the largest relative errors; raise if a merge or an int8 product is wrong."""
    fused = fusions.Fusions(
        kernels.norm, kernels.add, kernels.add_norm, kernels.apply_rope, kernels.swiglu, reference.pack
    )
    in_eight_bit = {str(each.name): fused._replace(**kernels.kernels_in(each)) for each in (FP8, INT8)}
    for block_sizes in BLOCK_SIZES:
        for number_format in (torch.float32, torch.bfloat16):
            print("error", number_format, fusions._difference(fused, CPU, number_format, block_sizes))
        for name, operations in in_eight_bit.items():
            print("error", name, fusions._difference(operations, CPU, torch.float32, block_sizes))
    for heads in HEADS:
        print("turned", error_of_rope(*heads))
    stock_pipeline = load_pipeline(WEIGHTS, choose_placement("cpu"))
    use_tested(stock_pipeline.vae.decoder, vae_kernels)
    picture_encoder = load_encoder(stock_pipeline.vae, WEIGHTS, choose_placement("cpu"))
    assert isinstance(picture_encoder, OwnEncoder)
    use_tested(picture_encoder.encoder, vae_kernels)
    print("encoder", error_of_encoder(stock_pipeline.text_encoder))
    for channels in (1, 130, 257):
        assert_enlarges(channels)
    assert_strips_agree(stock_pipeline.vae.decoder)
    merge_kernel.EIGHT_BIT_TOLERANCE *= 2  # the interpreter cuts fp8 off, a card rounds
    for shape in (ROUND, NOT_ROUND):
        for layers in (NO_LAYERS, EightBitLayers(FP8, {"a"}), EightBitLayers(INT8, {"a"})):
            # The interpreter has no products in bfloat16.
            matrices = {"a": Matrix(torch.zeros(shape), {"a": slice(None)})}
            merge_kernel.Kernel(matrices, layers).self_test()

    merge_with_changes()
    for tile in (None, *product_kernel.TILES):
        assert product_kernel.is_exact(tile, CPU)


def merge_with_changes() -> None:
    """Merge in place one layer that changes by pairs, by the kernel, and two with more, by torch."""
    generator = torch.Generator().manual_seed(2)
    bases = torch.randn(3, 96, 80, generator=generator)
    weights = bases.clone()
    pair = LowRank(torch.randn(5, 80, generator=generator), torch.randn(96, 5, generator=generator))
    left, right = torch.randn(2, 4, generator=generator), torch.randn(48, 20, generator=generator)
    factors = torch.rand(96, generator=generator) + 0.5
    changes = {
        "b": WeightChange((pair, Kronecker(left, right, 0, 96))),
        "c": WeightChange((pair,), factors),
    }
    adapter = Adapter({"a": pair}, bases, changes)
    matrices = {
        name: Matrix(weight, {name: slice(0, 96)}) for name, weight in zip("abc", weights, strict=True)
    }
    backend = partial(merger._with_changes, matrices, merge_kernel.Kernel(matrices))
    copies = {name: MergedPatch(matrix.weight) for name, matrix in matrices.items()}
    backend(copies, ((adapter, 0.5),))(list(copies))
    delta = pair.up @ pair.down
    wanted = [
        bases[0] + 0.5 * delta,
        bases[1] + 0.5 * (delta + torch.kron(left, right)),
        bases[2] + 0.5 * (factors[:, None] * (bases[2] + delta) - bases[2]),
    ]
    for weight, expected in zip(weights, wanted, strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-5)


def assert_enlarges(channels: int) -> None:
    """Compare with torch: a picture of odd sides; one, two and three blocks of channels, none full."""
    picture = torch.randn(1, channels, 3, 5).to(memory_format=torch.channels_last)
    expected = flatten(interpolate(picture, scale_factor=2.0, mode="nearest"))
    assert torch.equal(vae_kernels.enlarge(flatten(picture), 5), expected)


@torch.no_grad()
def assert_strips_agree(decoder: VaeHalf) -> None:
    """Compare a decoder's kernels in strips with the whole picture."""
    latents = torch.randn(
        1, decoder.conv_in.weight.shape[1], 4, 6, generator=torch.Generator().manual_seed(3)
    )
    assert {module.kernels for module in decoder.modules() if hasattr(module, "kernels")} == {vae_kernels}
    assert error_of(run_in_strips(decoder, latents, 3000), decoder(latents)) < 1e-5


def error_of_rope(queries: int, keys: int, head: int) -> float:
    """Return the error of queries and keys with different weights; the values must not change."""
    generator = torch.Generator().manual_seed(1)
    qkv = torch.randn(3, queries + 2 * keys, head, generator=generator)
    norms, angles = torch.randn(2, head, generator=generator), torch.randn(3, head // 2, generator=generator)
    cos, sin = (torch.cat([each, each], dim=-1) for each in (angles.cos(), angles.sin()))
    expected = qkv.clone()
    reference_rope(expected, norms, cos, sin, queries, EPSILON)
    rope_kernel.apply_rope(qkv, norms, cos, sin, queries, EPSILON)
    assert torch.equal(qkv[:, -keys:], expected[:, -keys:])
    return error_of(qkv, expected)


@torch.no_grad()
def error_of_encoder(whole: TextEncoder) -> float:
    """Return the error of a whole prompt against torch's layers."""
    x = whole.look_up([7, 5, 3, 2, 11])
    expected = whole(x)
    whole.use_kernels(rope_kernel.apply_rope, kernels.swiglu)
    return error_of(whole(x), expected)


if __name__ == "__main__":
    main()
