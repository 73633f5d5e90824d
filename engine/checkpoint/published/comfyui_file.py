"""ComfyUI's single safetensors files: bfloat16, fp8 with scales, int8 with scales and a rotation.

A weight ``X.weight`` in eight bits has ``X.scale_weight`` or ``X.weight_scale``, one number or one per row,
and may have ``X.comfy_quant``: a JSON object that names the format. With ``convrot`` the weight was rotated
by a regular Hadamard matrix; we rotate it back, because our own rotation follows after LoRAs are merged.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.checkpoint.header import Tensor, read_header
from engine.reading import read_fully

Floats = npt.NDArray[np.float32]

_WEIGHT = ".weight"
_SCALES = (".scale_weight", ".weight_scale")
_CONFIG = ".comfy_quant"
_UNUSED = (".scale_input", ".input_scale")  # of activations; ours are measured while drawing
_MARKERS = frozenset({"scaled_fp8", "model.diffusion_model.scaled_fp8"})
_FORMATS = {"float8_e4m3fn": "F8_E4M3", "int8_tensorwise": "I8"}  # in ``comfy_quant`` → in the header
_NUMBERS = frozenset({"F32", "F16", "BF16", "F8_E4M3", "I8"})
_MOST_CONFIG_BYTES = 4096


class SafetensorsFile:
    """The weights of one file. Raises BadHeader or OSError as it is opened.

    Attributes:
        tensors: The file's names of its weights → format and shape.
        flaws: What cannot be read, by name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            header = read_header(file)
        own = {name: tensor for name, tensor in header.items() if name not in _MARKERS}
        self._scales = {
            name.removesuffix(end): tensor
            for name, tensor in own.items()
            for end in _SCALES
            if name.endswith(end)
        }
        self._configs = {
            name.removesuffix(_CONFIG): self._config(tensor)
            for name, tensor in own.items()
            if name.endswith(_CONFIG)
        }
        extra = (*_SCALES, _CONFIG, *_UNUSED)
        self.tensors = {name: tensor for name, tensor in own.items() if not name.endswith(extra)}
        self.flaws = [flaw for name, tensor in self.tensors.items() if (flaw := self._flaw(name, tensor))]

    def rows(self, name: str, first: int, end: int) -> Floats:
        """Read rows of a weight as float32."""
        tensor = self.tensors[name]
        width = tensor.nbytes // max(1, tensor.shape[0]) if tensor.shape else tensor.nbytes
        raw = self._read(tensor.offset_bytes + first * width, (end - first) * width)
        numbers = _numbers(raw, tensor.dtype).reshape(end - first, -1)
        layer = name.removesuffix(_WEIGHT)
        if layer in self._scales:
            numbers = numbers * self._scale_rows(layer, first, end)
        config = self._configs.get(layer, {})
        if config.get("convrot"):
            numbers = unrotate(numbers, int(config.get("convrot_groupsize", 256)))
        return numbers

    def _flaw(self, name: str, tensor: Tensor) -> str:
        """Return why a weight cannot be read; empty if it can."""
        layer = name.removesuffix(_WEIGHT)
        config, scale = self._configs.get(layer), self._scales.get(layer)
        if tensor.dtype not in _NUMBERS:
            return f"{name}: {tensor.dtype}"
        if config is not None:
            wanted = str(config.get("format"))
            if _FORMATS.get(wanted) != tensor.dtype:
                return f"{name}: {wanted[:40]}"
            group = config.get("convrot_groupsize", 256)
            if config.get("convrot") and not _is_group(group, tensor.shape[-1]):
                return f"{name}: convrot_groupsize {str(group)[:20]}"
        if tensor.dtype == "I8" and scale is None:
            return f"{name}: I8 without weight_scale"
        count = scale.nbytes // scale.item_bytes if scale else 1
        if scale and (scale.dtype not in ("F32", "F16", "BF16") or count not in (1, tensor.shape[0])):
            return f"{name}: scales {scale.dtype} {scale.shape}"
        return ""

    def _config(self, tensor: Tensor) -> dict[str, Any]:
        """Read a layer's ``comfy_quant``; one without a known format if it is not JSON."""
        try:
            value = json.loads(self._read(tensor.offset_bytes, min(tensor.nbytes, _MOST_CONFIG_BYTES)))
        except (ValueError, RecursionError):
            return {"format": "unreadable"}
        return value if isinstance(value, dict) else {"format": "unreadable"}

    def _scale_rows(self, layer: str, first: int, end: int) -> Floats:
        scale = self._scales[layer]
        scales = _numbers(self._read(scale.offset_bytes, scale.nbytes), scale.dtype)
        return scales.reshape(1, 1) if scales.size == 1 else scales[first:end, None]

    def _read(self, offset_bytes: int, count_bytes: int) -> bytes:
        buffer = bytearray(count_bytes)
        with self._path.open("rb", buffering=0) as file:
            read_fully(file.fileno(), memoryview(buffer), offset_bytes)
        return bytes(buffer)


def unrotate(numbers: Floats, group: int) -> Floats:
    """Undo ConvRot's rotation of each group of each row: its matrix is its own inverse."""
    grouped = numbers.reshape(-1, group) @ _regular_hadamard(group)
    return grouped.reshape(numbers.shape)


@cache
def _regular_hadamard(group: int) -> Floats:
    """Return the normalised product of n matrices of 4, for a group of 4ⁿ."""
    four = (np.ones((4, 4)) - 2 * np.fliplr(np.eye(4))) / 2
    matrix: npt.NDArray[np.float64] = np.ones((1, 1))
    while len(matrix) < group:
        matrix = np.asarray(np.kron(four, matrix))
    return matrix.astype(np.float32)


def _is_group(group: object, width: int) -> bool:
    """Return whether it is a power of four that divides the width."""
    return isinstance(group, int) and group in {4**n for n in range(1, 9)} and width % group == 0


def _numbers(raw: bytes, dtype: str) -> Floats:
    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    if dtype == "F8_E4M3":
        return _e4m3()[np.frombuffer(raw, np.uint8)]
    plain: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "I8": "i1"}
    return np.frombuffer(raw, plain[dtype]).astype(np.float32)


@cache
def _e4m3() -> Floats:
    """Return the value of each byte: 1 bit sign, 4 of exponent (bias 7), 3 of mantissa; no infinity."""
    bits = np.arange(256)
    sign, exponent, mantissa = 1 - 2 * (bits >> 7), bits >> 3 & 15, bits & 7
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    values = sign * np.where(exponent == 0, mantissa / 8 * 2.0**-6, normal)
    values[bits & 127 == 127] = np.nan
    return values.astype(np.float32)


def pieces_of(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the end of pieces of at most ``size`` rows."""
    for first in range(0, count, size):
        yield first, min(count, first + size)
