"""GGUF files: rows of blocks of 32 or 256 numbers with their scales. The ``gguf`` package reads them."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from engine.checkpoint.header import MAX_DIMENSIONS, MAX_TENSORS, Tensor

# Below four bits a face loses its likeness; the name is what a host sees in the file's name.
_TYPES = frozenset({"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"})

_MAX_ENTRIES = 4096  # of metadata, and items of an array in it; a transformer has no vocabulary
_MAX_STRING_BYTES = 2**20
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # by GGUF's type
_STRING, _ARRAY = 8, 9


class GgufFile:
    """The weights of one file.

    Attributes:
        tensors: The file's names of its weights → format and shape.
        flaws: What cannot be read, by name.

    Raises:
        ValueError: It is not an intact GGUF file.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import gguf  # noqa: PLC0415 - only such a file needs it

        try:
            with path.open("rb") as file:
                _check_header(file)
            reader = gguf.GGUFReader(path)
        except (ValueError, LookupError, OverflowError, MemoryError, TypeError, struct.error) as error:
            raise ValueError(f"not an intact GGUF file: {str(error)[:80]}") from error
        self._dequantize = gguf.quants.dequantize
        self._found = {each.name: each for each in reader.tensors}
        self.tensors = {
            name: Tensor(each.tensor_type.name, tuple(int(side) for side in reversed(each.shape)))
            for name, each in self._found.items()
        }
        self.flaws = [
            f"{name}: {tensor.dtype}" for name, tensor in self.tensors.items() if tensor.dtype not in _TYPES
        ]

    def rows(self, name: str, first: int, end: int) -> npt.NDArray[np.float32]:
        """Read rows of a weight as float32."""
        found, shape = self._found[name], self.tensors[name].shape
        if len(shape) < 2:
            whole = self._dequantize(found.data, found.tensor_type).astype(np.float32)
            return whole.reshape(-1, 1)[first:end]
        rows = found.data.reshape(shape[0], -1)[first:end]
        numbers: npt.NDArray[np.float32] = self._dequantize(rows, found.tensor_type)
        return numbers.reshape(end - first, -1).astype(np.float32, copy=False)


def _check_header(file: BinaryIO) -> None:
    """Prove that the header is of the size of a real one: the package would read any for hours.

    Raises:
        ValueError, struct.error: It is not.
    """
    magic, _version, tensors, entries = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF" or tensors > MAX_TENSORS or entries > _MAX_ENTRIES:
        raise ValueError("its header is too large")
    for _ in range(entries):
        _skip_value(file, _STRING)
        _skip_value(file, _number(file, "<I"))
    for _ in range(tensors):
        _skip_value(file, _STRING)
        if (dimensions := _number(file, "<I")) > MAX_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        file.seek(8 * dimensions + 12, os.SEEK_CUR)  # the sides, the type and the offset


def _skip_value(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        if (length := _number(file, "<Q")) > _MAX_STRING_BYTES:
            raise ValueError("a string is too long")
        file.seek(length, os.SEEK_CUR)
    elif kind == _ARRAY:
        of, count = _number(file, "<I"), _number(file, "<Q")
        if of == _ARRAY or count > _MAX_ENTRIES:
            raise ValueError("an array is too long")
        for _ in range(count):
            _skip_value(file, of)
    elif kind in _SCALAR_BYTES:
        file.seek(_SCALAR_BYTES[kind], os.SEEK_CUR)
    else:
        raise ValueError(f"unknown type {kind}")


def _number(file: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return int(number)
