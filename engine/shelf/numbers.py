"""Proves that a LoRA's numbers can be drawn with: finite, bounded, and not without effect.

The file is read once, a piece at a time, in every number format that ``find_layers`` lets through, so that
memory does not grow with the file. An update that is a product is bounded without being computed: a number of
up @ down is at most the length of its row of ``up`` times the length of its column of ``down``. For random
matrices of rank 1,024 that is nine times the largest number (100 for 11).

The limits follow from the worker's formats. bfloat16 and float32 end at 3.4e38. A block's input is
normalised, so with a change L of each of d weights the feed-forward's product of two sums, weighted again, is
about (d·L)³, and the next norm adds d squares of it: d·(d·L)⁶ stays below 3.4e38 up to L = 55 for the
d = 10,240 of Z-Image. Strength may double a change; with the factor nine of the bound, ``MAX_CHANGE`` is 128,
five thousand times the model's own weights of about 0.02. Blocking: call it in a thread.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.checkpoint.header import Tensor
from engine.checkpoint.model import ModelInfo
from engine.errors import (
    LoraAllZero,
    LoraDamaged,
    LoraMissing,
    LoraNotFinite,
    LoraRejected,
    LoraTooStrong,
)
from engine.reading import read_fully
from engine.shelf.algorithms import matrix_shape
from engine.shelf.hashes import hash_file, sha256_of, stamp_of
from engine.shelf.layouts import Part
from engine.shelf.validation import LoraLayer, find_layers, open_regular_file, read_tensors

MAX_CHANGE = 128.0  # of one weight at strength 1, as bounded
MAX_VECTOR = 1024.0  # of a bias, a norm, or the norm of a weight's row
MAX_NUMBER = 2.0**20  # of any number of the file, and of a scale: products of four stay within float32
LEAST_CHANGE = (
    1e-12  # bfloat16 rounds away what is a thousandth of a weight; the trial picture is the real test
)
CHUNK = 2**19  # numbers read at once: 4 MiB in float64, and as much again for their squares
_PAIRS = (
    (Part.UP, Part.DOWN),
    (Part.HADA_LEFT_UP, Part.HADA_LEFT_DOWN),
    (Part.HADA_RIGHT_UP, Part.HADA_RIGHT_DOWN),
    (Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN),
    (Part.LOKR_RIGHT_UP, Part.LOKR_RIGHT_DOWN),
)
_WHOLE = (Part.LOKR_LEFT, Part.LOKR_RIGHT, Part.DIFF)
_VECTORS = (Part.MAGNITUDE, Part.UP_BIAS, Part.DIFF_BIAS)

_Numbers = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def check_file_numbers(path: Path, sha256: str, model: ModelInfo) -> None:
    """Read all numbers of a file of the shelf; raises as ``check_numbers`` and ``find_layers``.

    Raises:
        LoraMissing: The file has other content by now, so nothing is known about this one.
    """
    try:
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            tensors, metadata = read_tensors(file)
            layers = find_layers(tensors, linear_shapes(model.folder), vector_lengths(model.folder), metadata)
            check_numbers(file, tensors, layers)
    except LoraRejected:
        if sha256_of(path) != sha256:
            raise LoraMissing(name=path.stem) from None
        raise
    if hash_file(path, stamp_of(status)) != sha256:
        raise LoraMissing(name=path.stem)


def check_numbers(file: BufferedReader, tensors: Mapping[str, Tensor], layers: Sequence[LoraLayer]) -> None:
    """Read all numbers of a LoRA.

    Args:
        file: Open for reading.
        tensors: Its header.
        layers: What ``find_layers`` has proved of it.

    Raises:
        LoraNotFinite: Some are infinite or not numbers.
        LoraTooStrong: Some change the model more than its number format bears.
        LoraAllZero: They change nothing.
        LoraDamaged: The file became shorter.
        Each has the facts ``why``, a word, and ``found``, the module.
    """
    reader = _Reader(file.fileno(), tensors)
    changes = [_change(reader, layer) for layer in layers]
    if max(changes, default=0.0) < LEAST_CHANGE:
        raise LoraAllZero("All changes that the LoRA makes are zero.", why="all_zero", found=())


def _change(reader: "_Reader", layer: LoraLayer) -> float:
    """Return a bound of what one update changes in a number; infinite if zeros too change something."""
    names, path = layer.tensors, layer.path[:80]
    scale = layer.scale
    if Part.ALPHA in names:
        alpha = reader.largest(names[Part.ALPHA], path, math.inf)
        rank = layer.product.rank if layer.product else None
        scale = 1.0 if rank is None else alpha / rank
    _require(abs(scale), MAX_NUMBER, path)
    bounds = [
        _longest_product(reader, names[up], names[down], path) for up, down in _PAIRS if up in names
    ] + [reader.largest(names[part], path, MAX_NUMBER) for part in _WHOLE if part in names]
    is_norm = layer.product is None
    change = math.prod(bounds) * abs(scale) if bounds else 0.0
    _require(change, MAX_VECTOR if is_norm else MAX_CHANGE, path)
    for part in (part for part in _VECTORS if part in names):
        own = reader.largest(names[part], path, MAX_NUMBER)
        own *= abs(scale) if part is Part.UP_BIAS else 1.0
        _require(own, MAX_VECTOR, path)
        change = max(change, own)
    return math.inf if Part.MAGNITUDE in names else change


def _longest_product(reader: "_Reader", up: str, down: str, path: str) -> float:
    """Return the largest length of a row of ``up`` times that of a column of ``down``."""
    columns: npt.NDArray[np.float64] | None = None
    rows = 0.0
    for piece in reader.rows(up, path):
        rows = max(rows, float(np.square(piece, dtype=np.float64).sum(axis=1).max(initial=0.0)))
    for piece in reader.rows(down, path):
        squares = np.square(piece, dtype=np.float64).sum(axis=0)
        columns = squares if columns is None else columns + squares
    return math.sqrt(rows) * math.sqrt(0.0 if columns is None else float(columns.max(initial=0.0)))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the tensors of an open file."""

    descriptor: int
    tensors: Mapping[str, Tensor]

    def rows(self, name: str, path: str) -> Iterator[_Numbers]:
        """Yield a matrix by rows, every number within ``MAX_NUMBER``."""
        shape = matrix_shape(self.tensors[name].shape)
        width = shape[1] if shape else 1
        for piece in self._pieces(name, max(1, CHUNK // max(1, width)) * width, path, MAX_NUMBER):
            yield piece.reshape(-1, width)

    def largest(self, name: str, path: str, limit: float) -> float:
        """Return the largest absolute number of a tensor."""
        pieces = self._pieces(name, CHUNK, path, limit)
        return max((float(np.abs(piece).max(initial=0.0)) for piece in pieces), default=0.0)

    def _pieces(self, name: str, count: int, path: str, limit: float) -> Iterator[_Numbers]:
        tensor = self.tensors[name]
        left, offset = math.prod(tensor.shape), tensor.offset_bytes
        while left:
            buffer = bytearray(min(count, left) * tensor.item_bytes)
            try:
                read_fully(self.descriptor, memoryview(buffer), offset)
            except OSError as error:
                raise LoraDamaged("The file changed while it was read.", why="changed", found=()) from error
            numbers = _decoded(buffer, tensor.dtype)
            if not np.isfinite(numbers).all():
                raise LoraNotFinite(
                    f"Numbers of {path} are infinite or not numbers.", why="not_finite", found=(path,)
                )
            _require(float(np.abs(numbers).max(initial=0.0)), limit, path)
            yield numbers
            left -= len(numbers)
            offset += len(buffer)


def _require(number: float, limit: float, path: str) -> None:
    if not number <= limit:
        raise LoraTooStrong(
            f"The LoRA changes {path} by up to {number:.3g}; at most {limit:g} is allowed.",
            why="too_strong", found=(path,),
        )  # fmt: skip


def _decoded(buffer: bytearray, dtype: str) -> _Numbers:
    match dtype:
        case "F64":
            return np.frombuffer(buffer, "<f8")
        case "F32":
            return np.frombuffer(buffer, "<f4")
        case "F16":
            return np.frombuffer(buffer, "<f2").astype(np.float32)
        case "BF16":  # the upper half of a float32
            return (np.frombuffer(buffer, "<u2").astype(np.uint32) << 16).view(np.float32)
        case "F8_E5M2":  # the upper half of a float16
            return (
                (np.frombuffer(buffer, np.uint8).astype(np.uint16) << 8).view(np.float16).astype(np.float32)
            )
        case "F8_E4M3":
            return _E4M3[np.frombuffer(buffer, np.uint8)]
        case _:  # the integers that an alpha may have
            return np.frombuffer(buffer, f"<{dtype[0].lower()}{int(dtype[1:]) // 8}").astype(np.float64)


def _e4m3(byte: int) -> float:
    """Return what a byte means in float8_e4m3fn: no infinity, and one NaN of each sign."""
    sign, exponent, fraction = (-1.0) ** (byte >> 7), byte >> 3 & 15, byte & 7
    if (exponent, fraction) == (15, 7):
        return math.nan
    return sign * (fraction * 2.0**-9 if exponent == 0 else (8 + fraction) * 2.0 ** (exponent - 10))


_E4M3 = np.array([_e4m3(byte) for byte in range(256)], np.float32)
