"""What happens between two matrix products of a block, in the fewest passes over memory that a device allows.

A few functions, written twice: ``plain`` in torch, for every device, and ``kernels`` in Triton, for a card.
``choose`` tries the second on the card before the first picture and keeps to the first where it fails.

Shapes: ``x`` and ``y`` are [tokens, width], ``gate`` and ``scale`` [rows, width] or None, ``weight`` [width].
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_faults import kernel_errors, reason_to_do_without
from engine.zimage.forward import plain
from engine.zimage.forward.fp8 import Fp8Matrix
from engine.zimage.forward.packing import Rows

CLOSE = 0.02  # relative error between the two in bfloat16: figure E9
CLOSE_EIGHT = 0.05  # where a result has eight bits, of which three follow the point

log = structlog.get_logger("engine.forward")


Input = Tensor | Fp8Matrix  # of a product


class Fusions(NamedTuple):
    """The functions of one device and one precision of its products."""

    norm: Callable[[Tensor, Tensor, Tensor | None, Rows], Input]
    """``(x, weight, scale, rows)`` → RMS norm of x, times 1 + scale."""
    add: Callable[[Tensor, Tensor, Tensor, Tensor | None, Rows], Tensor]
    """``(x, y, weight, gate, rows)`` → x + tanh(gate) · RMS norm of y."""
    add_norm: Callable[
        [Tensor, Tensor, Tensor, Tensor | None, Tensor, Tensor | None, Rows], tuple[Tensor, Input]
    ]
    """``(x, y, weight, gate, next weight, next scale, rows)`` → ``add``, and ``norm`` of it."""
    turn: Callable[[Tensor, Tensor, Tensor], Tensor]
    """``(qkv [tokens, 3 · width], norms [2, head], turns [2, tokens, head / 2])`` → [tokens, 3, heads, head]:
    query and key normed by head and turned, the value as it was. May write over ``qkv``."""
    swiglu: Callable[[Tensor], Input]
    """``[tokens, 2 · inner]`` → silu of the first half, times the second."""
    pack: Callable[[Tensor], Input]
    """The same numbers as a product wants them."""


class Sides(NamedTuple):
    """Of a model's blocks: width of a token, of a head, and of what a feed-forward opens to."""

    width: int
    head: int
    inner: int


PLAIN = Fusions(plain.norm, plain.add, plain.add_norm, plain.turn, plain.swiglu, plain.pack)


def choose(weight: Tensor, sides: Sides, *, is_eight: bool = False) -> Fusions | None:
    """Choose the kernels where they work and agree with the plain functions; log once where they do not.

    Args:
        weight: Any of the model: its device and number format.
        sides: The model's; other sides compile other kernels, which may fail.
        is_eight: Whether products take eight bits.

    Returns:
        None where there is no card or they do not work on it.
    """
    if not weight.is_cuda:
        return None
    reason = ""
    try:
        from engine.zimage.forward import kernels  # noqa: PLC0415 - Triton is there only where a card may be

        fused = Fusions(kernels.norm, kernels.add, kernels.add_norm, kernels.turn, kernels.swiglu, plain.pack)
        if is_eight:
            fused = fused._replace(**kernels.IN_EIGHT)
        error = _difference(fused, weight.device, weight.dtype, sides)
        if error <= (CLOSE_EIGHT if is_eight else CLOSE):
            return fused
        reason = f"their results are off by {error:.3f}"
    except kernel_errors() as error:
        reason = reason_to_do_without(error)
    log.warning("the card's own kernels do not work: pictures take longer", reason=reason, is_eight=is_eight)
    return None


@torch.no_grad()
def _difference(fused: Fusions, device: torch.device, dtype: torch.dtype, sides: Sides) -> float:
    """The largest relative error over all functions, on a few random tokens."""
    generator = torch.Generator().manual_seed(0)
    lengths, (width, head, inner) = [3, 5], sides

    def numbers(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    rows, tokens = Rows(lengths, device), sum(lengths)
    x, y, weight, modulation = (
        numbers(tokens, width),
        numbers(tokens, width),
        numbers(width),
        numbers(2, 4 * width),
    )
    scale, gate, _, _ = modulation.chunk(4, dim=-1)  # views, as in a block
    qkv, norms = numbers(tokens, 3 * width), numbers(2, head)
    turns, opened = numbers(2, tokens, head // 2, dtype=torch.float32), numbers(tokens, 2 * inner)
    all_modulated, unmodulated = (weight, scale, rows), (weight, None, rows)
    cases: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
        *((fused.norm, plain.norm, (x, *modulation)) for modulation in (all_modulated, unmodulated)),
        *((fused.add, plain.add, (x, y, *modulation)) for modulation in ((weight, gate, rows), unmodulated)),
        (fused.add_norm, plain.add_norm, (x, y, weight, gate, *all_modulated)),
        (fused.add_norm, plain.add_norm, (x, y, weight, None, *unmodulated)),
        (fused.turn, plain.turn, (qkv, norms, turns)),
        (fused.swiglu, plain.swiglu, (opened,)),
        (fused.pack, plain.pack, (x,)),
    ]
    errors = []
    for does, known, (first, *rest) in cases:
        expected = known(first, *rest)
        errors.append(_error(does(first.clone(), *rest), expected))
    return max(errors)


def _error(found: Input | tuple[Input, ...], expected: Tensor | tuple[Tensor, ...]) -> float:
    if isinstance(expected, Tensor):
        numbers = found.values.float() * found.scales if isinstance(found, Fp8Matrix) else cast(Tensor, found)
        return float((numbers.float() - expected.float()).norm() / expected.float().norm())
    return max(_error(one, other) for one, other in zip(found, expected, strict=True))
