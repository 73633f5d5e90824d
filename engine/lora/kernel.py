"""One kernel that merges a run of layers, in Triton: 9.5 ms for all of Z-Image on an H200; copying takes 6.4.

A program writes one tile of one part. Where things lie is told by three tables on the card: ``parts`` (base,
copy, rows, columns, number of the first tile), ``pairs`` (up, down, rank: of each LoRA of the stack for each
part) and ``strengths``. Imported only where there is a card; tests run it on the CPU in Triton's interpreter.
"""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.lora.formats import Pair
from engine.lora.ways import Adapter, Matrices, Matrix, Stack, Write

TILE = 64, 128  # rows and columns: the fastest of five shapes tried on an H200
RANKS = 32  # of the inner product at a time
WARPS = 4
RUN = tl.constexpr(8)  # parts of one launch at most: those of a block
ALIGNED = 16  # bytes of an address, numbers of a row: then a thread loads eight numbers at once
CLOSE = 0.01
_FORMATS = {torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}


class Kernel:
    """Merges the layers of one model, in bfloat16 or float32; see ``engine.lora.merge.Writer``."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices
        weight = next(iter(matrices.values())).weight
        self._device, self._format = weight.device, _FORMATS[weight.dtype]
        self._spans: dict[str, tuple[int, int]] = {}  # layer → its first part, and the part after its last
        self._names: list[str] = []  # of the parts, in the order of the tables
        self._parts: list[list[int]] = []
        self._tiles = [0]  # before each part, and at the end
        for name, matrix in matrices.items():
            for part, rows in matrix.parts.items():
                base = matrix.weight[rows]
                self._parts.append([base.data_ptr(), 0, *base.shape, self._tiles[-1]])
                self._tiles.append(self._tiles[-1] + _tiles(base))
                self._names.append(part)
            self._spans[name] = len(self._names) - len(matrix.parts), len(self._names)
        self._places: WeakKeyDictionary[Adapter, Tensor] = WeakKeyDictionary()

    def __call__(self, copies: Mapping[str, Tensor], stack: Stack) -> Write:
        """Say where things are, for the launches that follow."""
        for name, copy in copies.items():
            for number, rows in enumerate(self._matrices[name].parts.values(), self._spans[name][0]):
                self._parts[number][1] = copy[rows].data_ptr()
        parts = torch.tensor(self._parts)
        pairs = torch.stack([self._place(adapter) for adapter, _ in stack])
        strengths = torch.tensor([strength for _, strength in stack], dtype=torch.float32)
        is_aligned = not (parts[:, :4] % ALIGNED).any() and not (pairs[..., :2] % ALIGNED).any()
        most = int(pairs[..., 2].max())
        tables = [table.to(self._device) for table in (parts, pairs, strengths)]

        def write(names: Sequence[str]) -> None:
            for first, end in self._runs(names):
                _merge_kernel[(self._tiles[end] - self._tiles[first],)](
                    *tables, first, end, self._tiles[first], len(parts), len(stack), most,
                    FORMAT=self._format, IS_ALIGNED=bool(is_aligned), ROWS=TILE[0], COLUMNS=TILE[1],
                    RANKS=RANKS, num_warps=WARPS,
                )  # fmt: skip

        return write

    def _place(self, adapter: Adapter) -> Tensor:
        """Where an adapter's pairs lie: int64 [parts, 3]; rank 0 where it has none."""
        if adapter not in self._places:
            pairs = (adapter.pairs.get(name) for name in self._names)
            self._places[adapter] = torch.tensor(
                [
                    [0, 0, 0] if pair is None else [pair.up.data_ptr(), pair.down.data_ptr(), len(pair.down)]
                    for pair in pairs
                ]
            )
        return self._places[adapter]

    def _runs(self, names: Sequence[str]) -> list[tuple[int, int]]:
        """Layers that follow each other in the tables are one launch."""
        runs: list[tuple[int, int]] = []
        for first, end in sorted(self._spans[name] for name in names):
            if runs and runs[-1][1] == first and end - runs[-1][0] <= RUN.value:
                runs[-1] = runs[-1][0], end
            else:
                runs.append((first, end))
        return runs


def try_out(like: Tensor) -> None:
    """Merge something small.

    Args:
        like: Any weight of the model: its device and number format.

    Raises:
        RuntimeError: The result is not what torch says.
    """
    base = torch.randn(96, 160, generator=torch.Generator().manual_seed(0)).to(like)
    pair = Pair(base[:5] * 0.1, base[:, :5].contiguous())
    matrices = {
        "a": Matrix(base, {"a": slice(0, 64), "b": slice(64, 96)}),
        "c": Matrix(base, {"c": slice(None)}),
    }
    copies = {name: torch.empty_like(base) for name in matrices}
    adapter = Adapter({"c": pair, "b": Pair(pair.down, pair.up[64:])}, base)
    Kernel(matrices)(copies, ((adapter, 0.5), (adapter, 0.25)))(list(copies))
    expected = base.float() + 0.75 * pair.up.float() @ pair.down.float()
    errors = [
        float((found.float() - wanted.float()).norm() / wanted.float().norm())
        for found, wanted in (
            (copies["a"][:64], base[:64]),
            (copies["a"][64:], expected[64:]),
            (copies["c"], expected),
        )
    ]
    if not max(errors) <= CLOSE:
        raise RuntimeError(f"The kernel's result is off by {max(errors):.3f}.")


def _tiles(matrix: Tensor) -> int:
    rows, columns = matrix.shape
    return int(triton.cdiv(rows, TILE[0]) * triton.cdiv(columns, TILE[1]))


@triton.jit
def _merge_kernel(
    parts, pairs, strengths, first, end, before, count, loras, most,
    FORMAT: tl.constexpr, IS_ALIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    RANKS: tl.constexpr,
):  # fmt: skip
    # Loops are "while": the interpreter that the tests use counts in "for" only up to what it knows before.
    tile = tl.program_id(0) + before
    part = first
    for number in tl.static_range(1, RUN):
        starts = tl.load(parts + (first + number) * 5 + 4, first + number < end, other=tile + 1)
        part = tl.where(tile >= starts, first + number, part)
    place = parts + part * 5
    base = tl.load(place).to(tl.pointer_type(FORMAT))
    copy = tl.load(place + 1).to(tl.pointer_type(FORMAT))
    rows, columns, starts = tl.load(place + 2), tl.load(place + 3), tl.load(place + 4)
    if IS_ALIGNED:
        base, copy = tl.multiple_of(base, 16), tl.multiple_of(copy, 16)
        columns = tl.multiple_of(columns, 16)
    across = tl.cdiv(columns, COLUMNS)
    row = (tile - starts) // across * ROWS + tl.arange(0, ROWS)
    column = (tile - starts) % across * COLUMNS + tl.arange(0, COLUMNS)
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
