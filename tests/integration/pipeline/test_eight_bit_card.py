"""8-bit kernels: compiled for every card without one, and on a card next to the arithmetic in torch."""

from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from structlog.testing import capture_logs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from engine.bench.random_model import TINY, random_lora, random_transformer
from engine.config import WeightFormat
from engine.eight_bit import product_kernel, products
from engine.eight_bit.formats import EIGHT_BIT, FP8, INT8
from engine.eight_bit.quantise import dequantise, quantise
from engine.eight_bit.supported import is_supported
from engine.lora import merge_kernel
from engine.lora.merger import Merger
from engine.lora.patches import MergedPatch
from engine.zimage.forward import kernels
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.fusions import BlockSizes, select_fusions
from tests.integration.pipeline.reference import error_of

TARGETS = {"Ampere 100": 80, "Ampere": 86, "Ada": 89, "Hopper": 90}
SHARED_BYTES = {80: 163 * 1024, 86: 99 * 1024, 89: 99 * 1024, 90: 227 * 1024}  # CUDA's table, per block

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")


def shared_bytes(
    kernel: Any, types: dict[str, str], constants: dict[str, Any], target: int, **how: int
) -> int:
    """Compile a kernel to the card's assembly; return the shared memory of a program."""
    source = ASTSource(kernel, types, constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", target, 32), options=how)
    assert compiled.asm["ptx"]
    return int(compiled.metadata.shared)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_int8_product_compiles_and_some_tile_fits(name: str) -> None:
    target = TARGETS[name]
    types = {
        "x": "*i8", "x_scales": "*fp32", "weight": "*i8", "scales": "*fp32", "out": "*bf16",
        "tokens": "i32", "rows": "i32",
    }  # fmt: skip
    sizes = []
    for tile in product_kernel.TILES:
        constants = {"WIDTH": 3840, "TOKENS": tile.tokens, "ROWS": tile.rows, "STEP": tile.width}
        how = {"num_warps": tile.warps, "num_stages": tile.stages}
        sizes.append(shared_bytes(product_kernel._product_kernel, types, constants, target, **how))
    assert min(sizes) <= SHARED_BYTES[target]


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_passes_and_the_merge_in_int8_compile_and_fit(name: str) -> None:
    target, fits = TARGETS[name], SHARED_BYTES[TARGETS[name]]
    x = {"x": "*bf16", "out": "*i8", "scales": "*fp32", "width": "i32"}
    opened = {"opened": "*bf16", "out": "*i8", "scales": "*fp32", "inner": "i32"}
    merge = {"parts": "*i64", "pairs": "*i64", "strengths": "*fp32"}
    merge |= dict.fromkeys(("first", "end", "before", "count", "loras", "most"), "i32")
    rotated = kernels._output(INT8, 10_240) | {"BLOCK": kernels.STRETCH}
    constants = {
        "FORMAT": tl.bfloat16, "IS_ALIGNED": True, "ROWS": 16, "COLUMNS": 256, "RANKS": 32,
        "EIGHT_BIT": tl.int8, "LARGEST": 127.0, "GROUP": 256,
    }  # fmt: skip
    for kernel, types, own, warps in (
        (kernels._pack_kernel, x, kernels._output(INT8, 3840), 8),
        (kernels._swiglu_rotated_kernel, opened, rotated, 8),
        (merge_kernel._merge_eight_bit_kernel, merge, constants, 4),
    ):
        assert shared_bytes(kernel, types, own, target, num_warps=warps) <= fits


def on_card() -> tuple[torch.device, tuple[int, int]]:
    device = torch.device("cuda", torch.cuda.current_device())
    return device, torch.cuda.get_device_capability(device)


@needs_card
@pytest.mark.gpu
@pytest.mark.slow
def test_all_ways_of_int8_give_the_same_bits_at_real_sizes() -> None:
    device, capability = on_card()
    ways = products.int8_ways(device)
    assert {"int_mm", "int_mm + Triton"} <= ways.keys()
    assert len(ways) >= 3 or capability < (8, 0)
    for rows, width in ((11_520, 3840), (3840, 3840), (20_480, 3840), (3840, 10_240)):
        for tokens in (1600, 1606, 33):
            x = quantise(torch.randn(tokens, width, device=device, dtype=torch.bfloat16), INT8)
            weight = quantise(torch.randn(rows, width, device=device), INT8)
            first, *others = (way(x, weight.values, weight.scales) for way in ways.values())
            assert all(torch.equal(first, other) for other in others)


@needs_card
@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("weight_format", EIGHT_BIT)
def test_kernels_of_real_sizes_are_used(weight_format: WeightFormat) -> None:
    device, capability = on_card()
    if not is_supported(weight_format, capability):
        pytest.skip(f"this card has no {weight_format}")
    weight = torch.empty(1, device=device, dtype=torch.bfloat16)
    with capture_logs() as logs:
        assert select_fusions(weight, BlockSizes(3840, 128, 10_240), EIGHT_BIT[weight_format])
    assert not logs


@needs_card
@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("weight_format", EIGHT_BIT)
def test_a_step_and_its_merged_lora_equal_the_arithmetic_in_torch(weight_format: WeightFormat) -> None:
    device, capability = on_card()
    if not is_supported(weight_format, capability):
        pytest.skip(f"this card has no {weight_format}")
    exact = Forward(random_transformer(TINY, device, torch.bfloat16))
    with capture_logs() as logs:
        forward = Forward(random_transformer(TINY, device, torch.bfloat16), weight_format)
        merger = Merger(forward.weights.matrices, forward.eight_bit_layers)
    assert not [line for line in logs if line["log_level"] == "warning"]
    writer: Any = merger._writer  # of torch for other changes, and of this for pairs
    assert isinstance(writer.args[1], merge_kernel.Kernel)
    matrices = forward.weights.matrices
    stack = ((random_lora(matrices, 1, 8), 1.0),)
    patches, plain = merger.merge(stack), Merger(exact.weights.matrices).merge(stack)
    results = []
    for model, own in ((forward, patches), (exact, plain)):
        embedding = torch.ones(20, 64, device=device, dtype=torch.bfloat16)
        batch = model.batch([model.refine_caption(embedding, own)], [(24, 16)], own)
        latents = torch.randn(16, 24, 16, generator=torch.Generator().manual_seed(1)).to(device)
        results.append(batch([latents], torch.tensor([0.3], device=device))[0].float().clone())
    assert error_of(*results) <= (0.06 if weight_format is FP8.name else 0.03)
    for name in forward.weights.large_layers:
        patch, wanted = patches.layers[name], plain.layers[name]
        assert isinstance(patch, MergedPatch)
        assert isinstance(wanted, MergedPatch)
        assert patch.scales is not None
        assert error_of(dequantise(patch.weight, patch.scales), wanted.weight.float()) <= 0.04
