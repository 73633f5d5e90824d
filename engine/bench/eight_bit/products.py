"""Measures the products of a block in every format, the passes that feed them, and a merge, in one run.

``python -m engine.bench.eight_bit.products`` prints TFLOP/s at Z-Image-Turbo's four shapes for each number of
tokens: bf16, fp8 and every way of int8. Then the milliseconds of the operations between products, and those
of a merge of one LoRA into all 32 blocks of a step.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.bench.measurement import as_cuda_graph, measure
from engine.bench.random_model import TINY, TURBO, random_lora, random_transformer
from engine.config import WeightFormat
from engine.eight_bit.formats import EIGHT_BIT, FP8, INT8, EightBitFormat, EightBitLayers
from engine.eight_bit.products import by_int_mm, int8_ways, multiply
from engine.eight_bit.quantise import quantise
from engine.eight_bit.supported import is_supported
from engine.lora.merger import Merger
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.fusions import Fusions, reference_in, select_fusions
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.weights import BlockWeights

TOKENS = (1600, 4160)  # of 512 x 768 and of 1024 x 1024, with a caption of 64 tokens
RANK = 32
BLOCKS = 32  # of a step: 30 main blocks and 2 noise refiners


@dataclass(frozen=True, slots=True)
class ProductTime:
    """One figure: a product's ``per_second`` is in TFLOP/s; a pass or a merge has None."""

    work: str
    way: str
    milliseconds: float
    per_second: float | None = None


class Products:
    """Two blocks of Z-Image-Turbo's size with random weights on a device.

    Args:
        device: A card, or the CPU to try the script.
        rounds: Of each median.
        is_tiny: Small blocks.
    """

    def __init__(self, device: torch.device, rounds: int, *, is_tiny: bool = False) -> None:
        self._device, self._rounds = device, rounds
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        config = (TINY if is_tiny else TURBO) | {"n_layers": 1, "n_refiner_layers": 1}
        self._forward = Forward(random_transformer(config, device, self.dtype))
        self._block: BlockWeights = self._forward.weights.main[0]

    @torch.no_grad()
    def lines(self, tokens: Sequence[int]) -> Iterator[ProductTime]:
        """Measure everything."""
        layers = {
            name: getattr(self._block, name).weight for name in ("qkv", "out", "w13", "w2")
        }  # fmt: skip
        for count in tokens:
            for name, weight in layers.items():
                yield from self._products(f"{name} {list(weight.shape)}, {count} tokens", weight, count)
        for count in tokens:
            yield from self._passes(count)
        yield from self._merges()

    def _products(self, work: str, weight: Tensor, count: int) -> Iterator[ProductTime]:
        x = torch.randn(count, weight.shape[1], device=self._device).to(self.dtype)
        flops = 2 * count * math.prod(weight.shape)
        yield self._line(work, "bf16", lambda: nn.linear(x, weight), flops)
        if self._has(FP8):
            one, other = quantise(x, FP8), quantise(weight, FP8)
            yield self._line(work, "fp8", lambda: multiply(one, other.values, other.scales), flops)
        if not self._has(INT8):
            return
        one, other = quantise(x, INT8), quantise(weight, INT8)
        ways = int8_ways(self._device) if self._device.type == "cuda" else {"int_mm": by_int_mm}
        for name, way in ways.items():
            call = partial(way, one, other.values, other.scales)
            yield self._line(work, f"int8, {name}", call, flops)

    def _passes(self, count: int) -> Iterator[ProductTime]:
        weights, sizes = self._forward.weights, self._forward.weights.block_sizes
        x, opened = (
            torch.randn(count, width, device=self._device).to(self.dtype)
            for width in (sizes.width, 2 * sizes.inner)
        )
        rows, norm = Rows([count], self._device), weights.main[0].norm_before_feed
        gate = torch.randn(1, sizes.width, device=self._device).to(self.dtype)
        for eight_bit in (None, FP8, INT8):
            if eight_bit and not self._has(eight_bit):
                continue
            fusions = self._fusions(eight_bit)
            way = str(eight_bit.name) if eight_bit else "bf16"
            add_norm = partial(fusions.add_norm, x, x, norm, gate, norm, gate, rows)
            yield self._line(f"add and norm, {count} tokens", way, add_norm)
            yield self._line(f"swiglu, {count} tokens", way, partial(fusions.swiglu, opened))
            yield self._line(f"pack, {count} tokens", way, partial(fusions.pack, x))

    def _fusions(self, eight_bit: EightBitFormat | None) -> Fusions:
        weights = self._forward.weights
        sizes = weights.block_sizes
        return select_fusions(self._block.w2.weight, sizes, eight_bit) or reference_in(eight_bit)

    def _merges(self) -> Iterator[ProductTime]:
        """Measure a merge into the two blocks of this model, times the blocks of a step."""
        weights = self._forward.weights
        names = weights.large_layers
        matrices = {name: matrix for name, matrix in weights.matrices.items() if name in names}
        stack = ((random_lora(matrices, 1, RANK), 0.8),)
        for weight_format in WeightFormat:
            eight_bit = EIGHT_BIT.get(weight_format)
            if eight_bit and not self._has(eight_bit):
                continue
            merger = Merger(matrices, EightBitLayers(eight_bit, names if eight_bit else ()))

            def merge(merger: Merger = merger) -> None:
                patches = merger.merge(stack)
                for group in list(patches.pending):
                    patches.ensure_merged(group)

            measured = measure(merge, self._device, self._rounds).milliseconds
            yield ProductTime(f"merge, {BLOCKS} blocks", str(weight_format), measured * BLOCKS / 2)

    def _has(self, eight_bit: EightBitFormat) -> bool:
        if self._device.type != "cuda":
            return True  # emulated or exact
        return is_supported(eight_bit.name, torch.cuda.get_device_capability(self._device))

    def _line(self, work: str, way: str, call: Callable[[], object], flops: int = 0) -> ProductTime:
        milliseconds = measure(as_cuda_graph(call, self._device), self._device, self._rounds).milliseconds
        return ProductTime(work, way, milliseconds, flops / milliseconds / 1e9 if flops else None)


def main(arguments: Sequence[str] | None = None) -> list[ProductTime]:
    """Measure and print; return the lines."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.eight_bit.products")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tokens", type=int, nargs="+", default=TOKENS)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="small blocks, to try the script without a card")
    options = parser.parse_args(arguments)
    products = Products(torch.device(options.device), options.rounds, is_tiny=options.tiny)
    lines = []
    for line in products.lines(options.tokens):
        lines.append(line)
        rate = "" if line.per_second is None else f"{line.per_second:8.0f} TFLOP/s"
        print(f"{line.work:34} {line.way:28} {line.milliseconds:9.3f} ms {rate}", flush=True)
    return lines


if __name__ == "__main__":
    main()
