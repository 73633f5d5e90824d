"""One published file of a transformer: where it is, what is wrong with it, and its numbers."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.checkpoint.header import BadHeader, Tensor
from engine.checkpoint.published.comfyui_file import SafetensorsFile, pieces_of
from engine.checkpoint.published.gguf_file import GgufFile
from engine.checkpoint.published.names import Shape, expected_shapes, library_names

PIECE_NUMBERS = 4 * 2**20  # converted at once: 16 MiB of float32
_SHOWN = 3  # names in a message


class PublishedFile:
    """A file's weights by the library's names.

    Args:
        path: As ``find_published`` returned it.
        config: ``transformer/config.json``.

    Attributes:
        flaws: Why it cannot be used, each in a few words; empty if it can.
        tensors: The library's name → shape, in bfloat16, as it is converted.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.flaws: list[str] = []
        self._sources: dict[str, tuple[str, int]] = {}  # the library's name → the file's, and the first row
        try:
            self._file = GgufFile(path) if path.suffix == ".gguf" else SafetensorsFile(path)
            wanted = expected_shapes(config)
        except (BadHeader, ValueError, LookupError, TypeError, ArithmeticError) as error:
            self.flaws.append(str(error)[:100] or type(error).__name__)
            return
        self._assign(wanted)

    def pieces(self, name: str) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the numbers of one tensor, in order."""
        source, first = self._sources[name]
        count, width = _rows_and_width(self.tensors[name].shape)
        if len(self._file.tensors[source].shape) < 2:
            count, width = math.prod(self.tensors[name].shape), 1
        for begin, end in pieces_of(count, max(1, PIECE_NUMBERS // width)):
            yield self._file.rows(source, first + begin, first + end)

    def _assign(self, wanted: dict[str, Shape]) -> None:
        """Find each wanted tensor in the file; everything that does not fit is a flaw."""
        unknown, shapes = [], []
        for key, tensor in self._file.tensors.items():
            names = library_names(key)
            if not names:
                continue
            if any(name not in wanted for name in names):
                unknown.append(key)
                continue
            rows = sum(_rows_and_width(wanted[name])[0] for name in names)
            first = 0
            for name in names:
                count, width = _rows_and_width(wanted[name])
                if _squeezed(tensor.shape) != _squeezed((rows, width) if len(names) > 1 else wanted[name]):
                    shapes.append(f"{key} {list(tensor.shape)}")
                    break
                self.tensors[name] = Tensor("BF16", wanted[name])
                self._sources[name] = key, first
                first += count
        missing = [name for name in wanted if name not in self.tensors]
        self.flaws += [
            f"{label}: {_few(found)}"
            for label, found in (
                ("unknown format", self._file.flaws),
                ("unknown tensors", unknown),
                ("other sizes", shapes),
                ("missing", missing if not shapes else []),
            )
            if found
        ]


def find_published(folder: Path, stem: str) -> Path | None:
    """Return the published file in a transformer's folder; None if it has the library's files, or several.

    Args:
        folder: The model's ``transformer`` folder.
        stem: How the library's files begin.
    """
    if (folder / f"{stem}.safetensors").is_file() or (folder / f"{stem}.safetensors.index.json").is_file():
        return None
    files = [*folder.glob("*.safetensors"), *folder.glob("*.gguf")]
    return files[0] if len(files) == 1 else None


def _rows_and_width(shape: Shape) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


def _squeezed(shape: Shape) -> Shape:
    """A shape without sides of 1: some converters store pad tokens as vectors."""
    return tuple(side for side in shape if side != 1)


def _few(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(each[:80] for each in found[:_SHOWN]) + more
