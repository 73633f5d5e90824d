"""The operations between two matrix products of a block, in as few passes over memory as the device allows.

Each exists twice: in ``reference`` in torch for every device, and in ``kernels`` in Triton for a card.
``select_fusions`` tests the kernels on the card before the first picture and falls back to the reference. For
products in eight bits, the operations also scale and round what they pass to a product.

Shapes: ``x`` and ``y`` are [tokens, width], ``gate`` and ``scale`` [rows, width] or None, ``weight`` [width].
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.eight_bit.formats import EightBitFormat
from engine.eight_bit.quantise import EightBitMatrix, dequantise, quantise
from engine.zimage.forward import reference
from engine.zimage.forward.packing import Rows

TOLERANCE = 0.02  # relative error between the two in bfloat16: figure E9
SHARED_NORMS = 2  # dimensions of the norms of queries and keys that all rows share: [2, head]
EIGHT_BIT_TOLERANCE = 0.05  # for results in eight bits: fp8 has three bits of mantissa

log = structlog.get_logger("engine.forward")


Input = Tensor | EightBitMatrix  # of a matrix product


class Fusions(NamedTuple):
    """The operations for one device and one precision of its matrix products."""

    norm: Callable[[Tensor, Tensor, Tensor | None, Rows], Input]
    """``(x, weight, scale, rows)`` → RMS norm of x, times 1 + scale."""
    add: Callable[[Tensor, Tensor, Tensor, Tensor | None, Rows], Tensor]
    """``(x, y, weight, gate, rows)`` → x + tanh(gate) · RMS norm of y."""
    add_norm: Callable[
        [Tensor, Tensor, Tensor, Tensor | None, Tensor, Tensor | None, Rows], tuple[Tensor, Input]
    ]
    """``(x, y, weight, gate, next weight, next scale, rows)`` → ``add``, and ``norm`` of it."""
    apply_rope: Callable[[Tensor, Tensor, Tensor], Tensor]
    """``(qkv [tokens, 3 · width], norms [2, head], rotations [2, tokens, head / 2])`` → ``qkv`` as
    [tokens, 3, heads, head]: query and key with RMS norm per head and RoPE, the value unchanged. May
    overwrite ``qkv``."""
    swiglu: Callable[[Tensor], Input]
    """``[tokens, 2 · inner]`` → silu of the first half, times the second."""
    pack: Callable[[Tensor], Input]
    """The same numbers in the format of a matrix product's input."""


class BlockSizes(NamedTuple):
    """Widths in a model's blocks: of a token, of a head, and inside the feed-forward."""

    width: int
    head: int
    inner: int


REFERENCE = Fusions(
    reference.norm, reference.add, reference.add_norm, reference.apply_rope, reference.swiglu, reference.pack
)


def reference_in(eight_bit: EightBitFormat | None) -> Fusions:
    """Return the operations in torch, for products in this format; None for the model's own."""
    if eight_bit is None:
        return REFERENCE

    def norm(*args: Any) -> Input:
        return quantise(reference.norm(*args), eight_bit)

    def add_norm(*args: Any) -> tuple[Tensor, Input]:
        added, normed = reference.add_norm(*args)
        return added, quantise(normed, eight_bit)

    return REFERENCE._replace(
        norm=norm,
        add_norm=add_norm,
        swiglu=lambda opened: quantise(reference.swiglu(opened), eight_bit),
        pack=lambda x: quantise(x, eight_bit),
    )


def with_own_norms(fusions: Fusions, rows: Rows) -> Fusions:
    """Return the same operations for a batch whose rows have norms of their own, row by row.

    A weight may then be [rows, width], and ``norms`` [rows, 2, head].

    Args:
        fusions: The operations.
        rows: The rows of every ``x`` that they will get.
    """
    alone = [Rows([length], rows.owner.device) for length in rows.lengths]

    def norm(x: Tensor, weight: Tensor, scale: Tensor | None, _: Rows) -> Input:
        return _packed(
            fusions.norm(own, _weight(weight, row), _modulation(scale, row), alone[row])
            for row, own in enumerate(rows.split(x))
        )

    def add(x: Tensor, y: Tensor, weight: Tensor, gate: Tensor | None, _: Rows) -> Tensor:
        pairs = enumerate(zip(rows.split(x), rows.split(y), strict=True))
        return torch.cat(
            [
                fusions.add(*own, _weight(weight, row), _modulation(gate, row), alone[row])
                for row, own in pairs
            ]
        )

    def add_norm(
        x: Tensor,
        y: Tensor,
        weight: Tensor,
        gate: Tensor | None,
        after: Tensor,
        scale: Tensor | None,
        _: Rows,
    ) -> tuple[Tensor, Input]:
        pairs = enumerate(zip(rows.split(x), rows.split(y), strict=True))
        made = [
            fusions.add_norm(
                *own, _weight(weight, row), _modulation(gate, row), _weight(after, row),
                _modulation(scale, row), alone[row],
            )
            for row, own in pairs
        ]  # fmt: skip
        return torch.cat([added for added, _ in made]), _packed(normed for _, normed in made)

    def apply_rope(qkv: Tensor, norms: Tensor, rotations: Tensor) -> Tensor:
        if norms.dim() == SHARED_NORMS:
            return fusions.apply_rope(qkv, norms, rotations)
        turns = (own.contiguous() for own in torch.split(rotations, rows.lengths, dim=1))
        return torch.cat(
            [fusions.apply_rope(*own) for own in zip(rows.split(qkv), norms, turns, strict=True)]
        )

    return fusions._replace(norm=norm, add=add, add_norm=add_norm, apply_rope=apply_rope)


def _weight(weight: Tensor, row: int) -> Tensor:
    return weight if weight.dim() == 1 else weight[row]


def _modulation(each: Tensor | None, row: int) -> Tensor | None:
    return each if each is None or len(each) == 1 else each[row : row + 1]


def _packed(rows: Iterable[Input]) -> Input:
    """Pack the tokens of all rows into one."""
    own = list(rows)
    first = own[0]
    if not isinstance(first, EightBitMatrix):
        return torch.cat(cast(list[Tensor], own))
    values, scales, _ = zip(*cast(list[EightBitMatrix], own), strict=True)
    # Not every device concatenates fp8.
    joined = torch.cat([each.view(torch.uint8) for each in values]).view(first.values.dtype)
    return EightBitMatrix(joined, torch.cat(scales), first.dtype)


def select_fusions(
    weight: Tensor, block_sizes: BlockSizes, eight_bit: EightBitFormat | None = None
) -> Fusions | None:
    """Return the kernels if they work and agree with the reference; otherwise log a warning.

    Args:
        weight: Any weight of the model, for its device and number format.
        block_sizes: The model's. Other sizes compile other kernels, which may fail.
        eight_bit: The format of the matrix products; None for the model's own.

    Returns:
        None without a card, or if the kernels do not work.
    """
    if not weight.is_cuda:
        return None
    reason = ""
    try:
        from engine.zimage.forward import kernels  # noqa: PLC0415 - Triton is there only where a card may be

        fused = Fusions(
            kernels.norm, kernels.add, kernels.add_norm, kernels.apply_rope, kernels.swiglu, reference.pack
        )
        if eight_bit:
            fused = fused._replace(**kernels.kernels_in(eight_bit))
        error = _difference(fused, weight.device, weight.dtype, block_sizes)
        if error <= (EIGHT_BIT_TOLERANCE if eight_bit else TOLERANCE):
            return fused
        reason = f"their results are off by {error:.3f}"
    except kernel_errors() as error:
        reason = fallback_reason(error)
    name = str(eight_bit.name) if eight_bit else "the model's"
    log.warning("the card's own kernels do not work: pictures take longer", reason=reason, format=name)
    return None


@torch.no_grad()
def _difference(fused: Fusions, device: torch.device, dtype: torch.dtype, block_sizes: BlockSizes) -> float:
    """Return the largest relative error of all operations on a few random tokens."""
    generator = torch.Generator().manual_seed(0)
    lengths, (width, head, inner) = [3, 5], block_sizes

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
    rotations, opened = numbers(2, tokens, head // 2, dtype=torch.float32), numbers(tokens, 2 * inner)
    all_modulated, unmodulated = (weight, scale, rows), (weight, None, rows)
    cases: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
        *((fused.norm, reference.norm, (x, *modulation)) for modulation in (all_modulated, unmodulated)),
        *(
            (fused.add, reference.add, (x, y, *modulation))
            for modulation in ((weight, gate, rows), unmodulated)
        ),
        (fused.add_norm, reference.add_norm, (x, y, weight, gate, *all_modulated)),
        (fused.add_norm, reference.add_norm, (x, y, weight, None, *unmodulated)),
        (fused.apply_rope, reference.apply_rope, (qkv, norms, rotations)),
        (fused.swiglu, reference.swiglu, (opened,)),
        (fused.pack, reference.pack, (x,)),
    ]
    errors = []
    for does, known, (first, *rest) in cases:
        expected = known(first, *rest)
        errors.append(_error(does(first.clone(), *rest), expected))
    return max(errors)


def _error(found: Input | tuple[Input, ...], expected: Tensor | tuple[Tensor, ...]) -> float:
    if isinstance(expected, Tensor):
        numbers = (
            dequantise(found.values, found.scales)
            if isinstance(found, EightBitMatrix)
            else cast(Tensor, found)
        )
        return float((numbers.float() - expected.float()).norm() / expected.float().norm())
    return max(_error(one, other) for one, other in zip(found, expected, strict=True))
