"""Merges a run of layers with one Triton kernel: 9.5 ms for all of Z-Image on an H200; a copy takes 6.4.

A program writes one tile of one part. Three tables on the card hold the addresses: ``parts`` (base, copy, its
scales, rows, columns, number of the first tile), ``pairs`` (up, down and rank, for each LoRA of the stack and
each part) and ``strengths``. Imported only on a machine with a card; tests run it on the CPU in Triton's
interpreter.
"""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.cuda.upload import upload
from engine.eight_bit.formats import FP8, NO_LAYERS, EightBitLayers
from engine.eight_bit.quantise import dequantise
from engine.eight_bit.rotate_kernel import rotate, rounded, scale_of
from engine.lora.adapter import Adapter, LoraStack
from engine.lora.patches import Matrices, Matrix, MergedPatch, MergeLayers
from engine.lora.updates import LowRank

TILE = 64, 128  # rows and columns: the fastest of five shapes on an H200
EIGHT_BIT_TILE = 16, 256  # rows per program, and columns per iteration: one group of a rotation
RANKS = 32  # ranks per iteration
WARPS = 4
RUN = tl.constexpr(8)  # most parts per launch: those of a block
ALIGNED = 16  # bytes of an address, numbers of a row
TOLERANCE, EIGHT_BIT_TOLERANCE = 0.01, 0.05  # relative errors; fp8 has three bits of mantissa
# Triton would compile another kernel for multiples of 16, and a LoRA of another rank would wait for it. It
# may specialise on ``loras``: a kernel for exactly one LoRA saves a sixth (10.0 ms instead of 12.1).
_UNSPECIALISED = "first", "end", "before", "count", "most"
_FORMATS = {
    torch.bfloat16: tl.bfloat16,
    torch.float32: tl.float32,
    torch.float8_e4m3fn: tl.float8e4nv,
    torch.int8: tl.int8,
}


class Kernel:
    """Merges the layers of one model, in bfloat16 or float32; see ``engine.lora.merger.MergeBackend``.

    Args:
        matrices: The base weights.
        eight_bit_layers: Layers whose copies are in eight bits.
    """

    def __init__(self, matrices: Matrices, eight_bit_layers: EightBitLayers = NO_LAYERS) -> None:
        self._matrices = matrices
        self._eight_bit_layers = eight_bit_layers
        self._eight_bit = eight_bit_layers.format or FP8  # FP8 is not used then
        weight = next(iter(matrices.values())).weight
        self._device, self._format = weight.device, _FORMATS[weight.dtype]
        self._spans: dict[str, tuple[int, int]] = {}  # layer → its first part, and the part after its last
        self._names: list[str] = []  # of the parts, in the order of the tables
        self._parts: list[list[int]] = []
        self._tiles = [0]  # before each part, and at the end
        for name, matrix in matrices.items():
            for part, rows in matrix.parts.items():
                base = matrix.weight[rows]
                self._parts.append([base.data_ptr(), 0, 0, *base.shape, self._tiles[-1]])
                self._tiles.append(self._tiles[-1] + _tiles(base, self._group(name)))
                self._names.append(part)
            self._spans[name] = len(self._names) - len(matrix.parts), len(self._names)
        self._copied: tuple[list[int], Tensor] = ([], torch.tensor(self._parts))
        self._addresses: WeakKeyDictionary[Adapter, Tensor] = WeakKeyDictionary()

    def __call__(self, copies: Mapping[str, MergedPatch], stack: LoraStack) -> MergeLayers:
        """Upload the tables of addresses; return a function that launches the kernel for given layers."""
        parts = self._parts_table(copies)
        none = torch.zeros(1, len(parts), 3, dtype=torch.int64)
        pairs = torch.stack([self._addresses_of(adapter) for adapter, _ in stack]) if stack else none
        strengths = torch.tensor([strength for _, strength in stack], dtype=torch.float32)
        is_aligned = _is_aligned(parts[:, :5]) and _is_aligned(pairs[..., :2])
        most = int(pairs[..., 2].max())
        tables = [upload(table, self._device) for table in (parts, pairs, strengths)]

        def write(names: Sequence[str]) -> None:
            for first, end, group in self._runs(names):
                before, tiles = self._tiles[first], self._tiles[end] - self._tiles[first]
                rows, columns = EIGHT_BIT_TILE if group else TILE
                kernel, eight_bit = _merge_kernel, {}
                if group:
                    kernel = _merge_eight_bit_kernel
                    eight_bit = {
                        "EIGHT_BIT": _FORMATS[self._eight_bit.dtype],
                        "LARGEST": self._eight_bit.largest,
                        "GROUP": group,
                    }
                kernel[(tiles,)](
                    *tables, first, end, before, len(parts), len(stack), most,
                    FORMAT=self._format, IS_ALIGNED=is_aligned, ROWS=rows, COLUMNS=columns, RANKS=RANKS,
                    **eight_bit, num_warps=WARPS,
                )  # fmt: skip

        return write

    def self_test(self) -> None:
        """Merge small matrices in every variant that this model needs, so that all kernels are compiled.

        Raises:
            RuntimeError: A result differs from torch's.
        """
        columns = 160 if _is_aligned(self._copied[1][:, :5]) else 165
        like = next(iter(self._matrices.values())).weight
        base = torch.randn(96, columns, generator=torch.Generator().manual_seed(0)).to(like)
        pair = LowRank(base[:5] * 0.1, base[:, :5].contiguous())
        small = {
            "a": Matrix(base, {"a": slice(0, 64), "b": slice(64, 96)}),
            "c": Matrix(base, {"c": slice(None)}),
        }
        copies = {name: MergedPatch(torch.empty_like(base)) for name in small}
        eight_bit_layers = NO_LAYERS
        if self._eight_bit_layers:
            eight_bit_layers = EightBitLayers(self._eight_bit, {"c"})
            values = torch.empty_like(base, dtype=self._eight_bit.dtype)
            copies["c"] = MergedPatch(values, base.new_empty(96, 1, dtype=torch.float32))
        adapter = Adapter({"c": pair, "b": LowRank(pair.down, pair.up[64:])}, base)
        writer = Kernel(small, eight_bit_layers)
        # Without eight bits, nothing is merged without a LoRA.
        without_lora = [()] if self._eight_bit_layers else []
        for strengths in [(0.75,), (0.5, 0.25), *without_lora]:
            writer(copies, tuple((adapter, strength) for strength in strengths))(list(copies))
            changed = base.float() + sum(strengths) * pair.up.float() @ pair.down.float()
            wanted = [torch.cat([base[:64].float(), changed[64:]]), changed]
            for copy, expected in zip(copies.values(), wanted, strict=True):
                _require_close(copy, expected)

    def _parts_table(self, copies: Mapping[str, MergedPatch]) -> Tensor:
        """Return the table of parts. It rarely changes, because copies keep their addresses."""
        addresses = [copy.weight.data_ptr() for copy in copies.values()]
        if addresses != self._copied[0]:
            for name, copy in copies.items():
                for number, rows in enumerate(self._matrices[name].parts.values(), self._spans[name][0]):
                    scales = 0 if copy.scales is None else copy.scales[rows].data_ptr()
                    self._parts[number][1:3] = copy.weight[rows].data_ptr(), scales
            self._copied = addresses, torch.tensor(self._parts)
        return self._copied[1]

    def _addresses_of(self, adapter: Adapter) -> Tensor:
        """Return the addresses of an adapter's pairs: int64 [parts, 3]; rank 0 for a part without a pair."""
        if adapter not in self._addresses:
            pairs = (adapter.pairs.get(name) for name in self._names)
            self._addresses[adapter] = torch.tensor(
                [
                    [0, 0, 0] if pair is None else [pair.up.data_ptr(), pair.down.data_ptr(), len(pair.down)]
                    for pair in pairs
                ]
            )
        return self._addresses[adapter]

    def _group(self, name: str) -> int:
        """Return the numbers of a layer's row that are rotated together; 0 if it is not in eight bits."""
        if name not in self._eight_bit_layers:
            return 0
        return self._eight_bit.group(self._matrices[name].weight.shape[1])

    def _runs(self, names: Sequence[str]) -> list[tuple[int, int, int]]:
        """Combine adjacent layers of one kind into launches: first part, end, and as ``_group``."""
        runs: list[tuple[int, int, int]] = []
        for (first, end), name in sorted((self._spans[name], name) for name in names):
            group = self._group(name)
            if runs and runs[-1][1:] == (first, group) and end - runs[-1][0] <= RUN.value:
                runs[-1] = runs[-1][0], end, group
            else:
                runs.append((first, end, group))
        return runs


def _require_close(copy: MergedPatch, expected: Tensor) -> None:
    found = copy.weight.float() if copy.scales is None else dequantise(copy.weight, copy.scales)
    error = float((found - expected).norm() / expected.norm())
    if not error <= (TOLERANCE if copy.scales is None else EIGHT_BIT_TOLERANCE):
        raise RuntimeError(f"The kernel's result is off by {error:.3f}.")


def _is_aligned(table: Tensor) -> bool:
    """Whether all addresses and sides are aligned, so that a thread loads eight numbers at once."""
    return not bool((table % ALIGNED).any())


def _tiles(matrix: Tensor, group: int) -> int:
    rows, columns = matrix.shape
    if group:
        return int(triton.cdiv(rows, EIGHT_BIT_TILE[0]))
    return int(triton.cdiv(rows, TILE[0]) * triton.cdiv(columns, TILE[1]))


@triton.jit
def _part_of(tile, parts, first, end):
    part = first
    for number in tl.static_range(1, RUN):
        starts = tl.load(parts + (first + number) * 6 + 5, first + number < end, other=tile + 1)
        part = tl.where(tile >= starts, first + number, part)
    return part


@triton.jit
def _merged(
    base, pairs, strengths, part, count, loras, most, row, column, has_row, has_column, columns,
    FORMAT: tl.constexpr, IS_ALIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    RANKS: tl.constexpr,
):  # fmt: skip
    """One tile of base + LoRAs, in float32."""
    # ``while`` loops, because Triton's interpreter in the tests needs constant bounds in ``for``.
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
    return total + tl.load(base + at, has_row & has_column, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=_UNSPECIALISED)
def _merge_kernel(
    parts, pairs, strengths, first, end, before, count, loras, most,
    FORMAT: tl.constexpr, IS_ALIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    RANKS: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0) + before
    part = _part_of(tile, parts, first, end)
    pointer = parts + part * 6
    base = tl.load(pointer).to(tl.pointer_type(FORMAT))
    copy = tl.load(pointer + 1).to(tl.pointer_type(FORMAT))
    rows, columns, starts = tl.load(pointer + 3), tl.load(pointer + 4), tl.load(pointer + 5)
    if IS_ALIGNED:
        base, copy = tl.multiple_of(base, 16), tl.multiple_of(copy, 16)
        columns = tl.multiple_of(columns, 16)
    across = tl.cdiv(columns, COLUMNS)
    row = (tile - starts) // across * ROWS + tl.arange(0, ROWS)
    column = (tile - starts) % across * COLUMNS + tl.arange(0, COLUMNS)
    has_row, has_column = (row < rows)[:, None], (column < columns)[None, :]
    total = _merged(
        base, pairs, strengths, part, count, loras, most, row, column, has_row, has_column, columns,
        FORMAT, IS_ALIGNED, ROWS, COLUMNS, RANKS,
    )  # fmt: skip
    tl.store(copy + row[:, None] * columns + column[None, :], total.to(FORMAT), has_row & has_column)


@triton.jit
def _rotated(total, ROWS: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr):
    """Rotate the groups of each row of a tile; ``COLUMNS`` holds whole groups."""
    if GROUP > 1:
        total = rotate(tl.reshape(total, (ROWS * COLUMNS,)), ROWS * COLUMNS, GROUP)
        total = tl.reshape(total, (ROWS, COLUMNS))
    return total


@triton.jit(do_not_specialize=_UNSPECIALISED)
def _merge_eight_bit_kernel(
    parts, pairs, strengths, first, end, before, count, loras, most,
    FORMAT: tl.constexpr, IS_ALIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    RANKS: tl.constexpr, EIGHT_BIT: tl.constexpr, LARGEST: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Merge whole rows twice: first to find each row's largest number, then to write."""
    tile = tl.program_id(0) + before
    part = _part_of(tile, parts, first, end)
    pointer = parts + part * 6
    base = tl.load(pointer).to(tl.pointer_type(FORMAT))
    copy = tl.load(pointer + 1).to(tl.pointer_type(EIGHT_BIT))
    scales = tl.load(pointer + 2).to(tl.pointer_type(tl.float32))
    rows, columns, starts = tl.load(pointer + 3), tl.load(pointer + 4), tl.load(pointer + 5)
    if IS_ALIGNED:
        base, copy = tl.multiple_of(base, 16), tl.multiple_of(copy, 16)
        columns = tl.multiple_of(columns, 16)
    row = (tile - starts) * ROWS + tl.arange(0, ROWS)
    has_row = (row < rows)[:, None]
    largest = tl.zeros((ROWS,), tl.float32)
    start = tl.zeros((), tl.int64)
    while start < columns:
        column = start + tl.arange(0, COLUMNS)
        total = _merged(
            base, pairs, strengths, part, count, loras, most, row, column, has_row,
            (column < columns)[None, :], columns, FORMAT, IS_ALIGNED, ROWS, COLUMNS, RANKS,
        )  # fmt: skip
        total = _rotated(total, ROWS, COLUMNS, GROUP)
        largest = tl.maximum(largest, tl.max(tl.abs(total), axis=1))
        start += COLUMNS
    scale = scale_of(largest, LARGEST)
    tl.store(scales + row, scale, row < rows)
    start = tl.zeros((), tl.int64)
    while start < columns:
        column = start + tl.arange(0, COLUMNS)
        has_column = (column < columns)[None, :]
        total = _merged(
            base, pairs, strengths, part, count, loras, most, row, column, has_row, has_column,
            columns, FORMAT, IS_ALIGNED, ROWS, COLUMNS, RANKS,
        )  # fmt: skip
        total = _rotated(total, ROWS, COLUMNS, GROUP)
        at = row[:, None] * columns + column[None, :]
        tl.store(copy + at, rounded(total / scale[:, None], EIGHT_BIT), has_row & has_column)
        start += COLUMNS
