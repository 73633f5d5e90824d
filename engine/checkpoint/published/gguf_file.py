"""GGUF files: rows of blocks of 32 or 256 numbers with their scales. The ``gguf`` package reads them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.checkpoint.header import Tensor

# Below four bits a face loses its likeness; the name is what a host sees in the file's name.
_TYPES = frozenset({"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"})


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
            reader = gguf.GGUFReader(path)
        except (ValueError, KeyError, IndexError, OverflowError, MemoryError) as error:
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
