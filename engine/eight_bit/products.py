"""Multiplies matrices of eight bits as a linear layer does.

fp8 uses the card's own product. int8 has several ways to the same bits; ``choose_int8_way`` measures them
once on a card. Without a card fp8 is emulated, and int8 is exact, so tests check the arithmetic of the card.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.eight_bit.quantise import EightBitMatrix
from engine.eight_bit.supported import BF16_SINCE

Int8Way = Callable[[EightBitMatrix, Tensor, Tensor], Tensor]  # ``multiply`` for int8

TRIAL_TOKENS = 1600  # of a picture of 512 x 768 and its caption
TRIAL_ROUNDS = 5

log = structlog.get_logger("engine.forward")


def multiply(x: EightBitMatrix, weight: Tensor, scales: Tensor) -> Tensor:
    """Multiply as a linear layer does.

    Args:
        x: [tokens, in].
        weight: [out, in], in the same eight bits.
        scales: float32 [out, 1].

    Returns:
        [tokens, out] in the number format of ``x.dtype``.
    """
    if weight.dtype is torch.int8:
        return _int8_ways.get(weight.device, by_int_mm)(x, weight, scales)
    if weight.is_cuda:
        return torch._scaled_mm(
            x.values, weight.t(), x.scales, scales.t(), out_dtype=x.dtype, use_fast_accum=True
        )
    return ((x.values.float() * x.scales) @ (weight.float() * scales).t()).to(x.dtype)


def by_int_mm(x: EightBitMatrix, weight: Tensor, scales: Tensor) -> Tensor:
    """Multiply int8 with torch alone. A card needs more than 16 tokens and sides of multiples of 8."""
    sums = torch._int_mm(x.values, weight.t())
    return sums.float().mul_(x.scales).mul_(scales.t()).to(x.dtype)


def int8_ways(device: torch.device) -> dict[str, Int8Way]:
    """Return every way that works on this card, by name; torch's alone if Triton does not work."""
    ways: dict[str, Int8Way] = {"int_mm": by_int_mm}
    try:
        from engine.eight_bit import product_kernel as kernel  # noqa: PLC0415 - needs Triton
    except ImportError as error:
        log.warning("int8 products use torch alone: pictures take longer", reason=str(error))
        return ways

    def by_two(x: EightBitMatrix, weight: Tensor, scales: Tensor) -> Tensor:
        out = x.values.new_empty(len(x.values), len(weight), dtype=x.dtype)
        kernel.scale_sums(torch._int_mm(x.values, weight.t()), x.scales, scales, out)
        return out

    def by_tile(tile: kernel.Tile, x: EightBitMatrix, weight: Tensor, scales: Tensor) -> Tensor:
        out = x.values.new_empty(len(x.values), len(weight), dtype=x.dtype)
        kernel.multiply(x.values, x.scales, weight, scales, out, tile)
        return out

    candidates: list[tuple[str, kernel.Tile | None, Int8Way]] = [("int_mm + Triton", None, by_two)]
    if torch.cuda.get_device_capability(device) >= BF16_SINCE:  # Triton has no int8 product for Turing
        candidates += [(f"Triton {tile[:3]}", tile, partial(by_tile, tile)) for tile in kernel.TILES]
    for name, tile, way in candidates:
        try:
            if kernel.is_exact(tile, device):
                ways[name] = way
            else:
                log.warning("an int8 kernel is not used: it is not exact", kernel=name)
        except kernel_errors() as error:
            log.info("an int8 kernel is not used", kernel=name, reason=fallback_reason(error))
    return ways


def choose_int8_way(device: torch.device, shapes: Iterable[tuple[int, int]], dtype: torch.dtype) -> str:
    """Time every way on this card with the model's weights' shapes; use the fastest from now on.

    Args:
        device: A card.
        shapes: (out, in) of the layers in int8.
        dtype: The number format of the products.

    Returns:
        The name of the fastest.
    """
    trials = [_trial(shape, device, dtype) for shape in sorted(set(shapes))]
    seconds: dict[str, float] = {}
    ways = int8_ways(device)
    for name, way in ways.items():
        try:
            seconds[name] = min(_seconds(way, trials, device) for _ in range(TRIAL_ROUNDS))
        except kernel_errors() as error:
            log.info("an int8 product is not used", product=name, reason=fallback_reason(error))
    fastest = min(seconds, key=lambda name: seconds[name])
    _int8_ways[device] = ways[fastest]
    log.info("int8 product chosen", product=fastest, ms={k: round(v * 1e3, 2) for k, v in seconds.items()})
    return fastest


_int8_ways: dict[torch.device, Int8Way] = {}  # of each card in this process; all give the same bits


def _trial(
    shape: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> tuple[EightBitMatrix, Tensor, Tensor]:
    rows, width = shape
    # Zeros would draw less power, and the card would run faster than with real numbers.
    x, weight = (
        torch.randint(-127, 128, (count, width), dtype=torch.int8, device=device)
        for count in (TRIAL_TOKENS, rows)
    )
    return (
        EightBitMatrix(x, x.new_ones(len(x), 1, dtype=torch.float32), dtype),
        weight,
        torch.ones(rows, 1, device=device),
    )


def _seconds(
    way: Int8Way, trials: Iterable[tuple[EightBitMatrix, Tensor, Tensor]], device: torch.device
) -> float:
    torch.cuda.synchronize(device)
    started_s = time.perf_counter()
    for trial in trials:
        way(*trial)
    torch.cuda.synchronize(device)
    return time.perf_counter() - started_s
