"""One kernel that merges a layer, in Triton: 9.5 ms for all of Z-Image on an H200; a plain copy takes 6.4.

A program writes one tile of one part. Where things lie is told by three tables on the card: ``parts`` (base,
copy, rows, columns), ``pairs`` (up, down, rank of each LoRA of the stack for each part) and ``strengths``.
Imported only where there is a card; tests run it on the CPU in Triton's interpreter.
"""

import functools
from collections.abc import Mapping, Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.lora.formats import Pair
from engine.lora.ways import Adapter, Matrices, Matrix, Stack

TILE = 64, 128  # rows and columns: the fastest of five shapes tried on an H200
RANKS = 32  # of the inner product at a time
WARPS = 4
MOST_PARTS = tl.constexpr(3)  # of one layer: query, key, value
ALIGNED = 16  # bytes of an address, numbers of a row: then a thread loads eight numbers at once
CLOSE = 0.01
_FORMATS = {torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}


def write(matrices: Matrices, copies: Mapping[str, Tensor], stack: Stack) -> "functools.partial[None]":
    """Merge by the kernel, in bfloat16 or float32; see ``engine.lora.merge.Writer``."""
    weight = next(iter(matrices.values())).weight
    parts: list[list[int]] = []
    pairs: list[list[list[int]]] = [[] for _ in stack]
    spans: dict[str, tuple[int, int, int]] = {}  # layer → its first part, the part after its last, its tiles
    for name, copy in copies.items():
        first, tiles = len(parts), 0
        for part, rows in matrices[name].parts.items():
            base, out = matrices[name].weight[rows], copy[rows]
            parts.append([base.data_ptr(), out.data_ptr(), *base.shape, tiles])
            tiles += triton.cdiv(len(base), TILE[0]) * triton.cdiv(base.shape[1], TILE[1])
            for own, (adapter, _) in zip(pairs, stack, strict=True):
                own.append(_place(adapter.pairs.get(part)))
        spans[name] = first, len(parts), tiles
    tables = (
        _table(parts, weight.device),
        _table(pairs, weight.device),
        torch.tensor([strength for _, strength in stack], dtype=torch.float32).to(weight.device),
    )
    places = [number for part in parts for number in part[:4]] + [
        place for own in pairs for pair in own for place in pair[:2]
    ]
    is_aligned = all(number % ALIGNED == 0 for number in places)
    most = max(pair[2] for own in pairs for pair in own)
    return functools.partial(_launch, tables, spans, _FORMATS[weight.dtype], is_aligned, most)


def try_out(like: Tensor) -> None:
    """Merge something small.

    Args:
        like: Any weight of the model: its device and number format.

    Raises:
        RuntimeError: The result is not what torch says.
    """
    base = torch.randn(96, 160, generator=torch.Generator().manual_seed(0)).to(like)
    pair = Pair(base[:5] * 0.1, base[:, :5].contiguous())
    copy = torch.empty_like(base)
    write({"a": Matrix(base, {"a": slice(None)})}, {"a": copy}, ((Adapter({"a": pair}, base), 0.5),))(["a"])
    expected = base.float() + 0.5 * pair.up.float() @ pair.down.float()
    error = float((copy.float() - expected).norm() / expected.norm())
    if not error <= CLOSE:
        raise RuntimeError(f"The kernel's result is off by {error:.3f}.")


def _place(pair: Pair | None) -> list[int]:
    return [0, 0, 0] if pair is None else [pair.up.data_ptr(), pair.down.data_ptr(), len(pair.down)]


def _table(numbers: Sequence[object], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64).to(device)


def _launch(
    tables: tuple[Tensor, Tensor, Tensor],
    spans: Mapping[str, tuple[int, int, int]],
    number_format: object,
    is_aligned: bool,
    most: int,
    names: Sequence[str],
) -> None:
    parts, pairs, strengths = tables
    for name in names:
        first, end, tiles = spans[name]
        _merge_kernel[(tiles,)](
            parts, pairs, strengths, first, end, len(parts), len(strengths), most,
            FORMAT=number_format, IS_ALIGNED=is_aligned, ROWS=TILE[0], COLUMNS=TILE[1], RANKS=RANKS,
            num_warps=WARPS,
        )  # fmt: skip


@triton.jit
def _merge_kernel(
    parts, pairs, strengths, first, end, count, loras, most,
    FORMAT: tl.constexpr, IS_ALIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    RANKS: tl.constexpr,
):  # fmt: skip
    # Loops are "while": the interpreter that the tests use counts in "for" only up to what it knows before.
    tile = tl.program_id(0)
    part = first
    for number in tl.static_range(1, MOST_PARTS):
        starts = tl.load(parts + (first + number) * 5 + 4, first + number < end, other=tile + 1)
        part = tl.where(tile >= starts, first + number, part)
    place = parts + part * 5
    base = tl.load(place).to(tl.pointer_type(FORMAT))
    copy = tl.load(place + 1).to(tl.pointer_type(FORMAT))
    rows, columns, before = tl.load(place + 2), tl.load(place + 3), tl.load(place + 4)
    if IS_ALIGNED:
        base, copy = tl.multiple_of(base, 16), tl.multiple_of(copy, 16)
        columns = tl.multiple_of(columns, 16)
    across = tl.cdiv(columns, COLUMNS)
    row = (tile - before) // across * ROWS + tl.arange(0, ROWS)
    column = (tile - before) % across * COLUMNS + tl.arange(0, COLUMNS)
    has_row, has_column = (row < rows)[:, None], (column < columns)[None, :]
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    lora = 0
    while lora < loras:
        pair = pairs + (lora * count + part) * 3
        up = tl.load(pair).to(tl.pointer_type(FORMAT))
        down = tl.load(pair + 1).to(tl.pointer_type(FORMAT))
        if IS_ALIGNED:
            up, down = tl.multiple_of(up, 16), tl.multiple_of(down, 16)
        rank = tl.load(pair + 2)
        product = tl.zeros((ROWS, COLUMNS), tl.float32)
        start = 0
        while start < most:
            inner = start + tl.arange(0, RANKS)
            has_inner = inner < rank
            left = tl.load(up + row[:, None] * rank + inner[None, :], has_row & has_inner[None, :], other=0.0)
            right = tl.load(
                down + inner[:, None] * columns + column[None, :], has_inner[:, None] & has_column, other=0.0
            )
            product = tl.dot(left, right, product, input_precision="ieee")
            start += RANKS
        total += product * tl.load(strengths + lora)
        lora += 1
    at = row[:, None] * columns + column[None, :]
    inside = has_row & has_column
    total += tl.load(base + at, inside, other=0.0).to(tl.float32)
    tl.store(copy + at, total.to(FORMAT), inside)
