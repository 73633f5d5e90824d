"""Writes small published files of a transformer, in every format, and keeps the numbers that they hold.

K-quants are packed from random parts, and unpacked here number by number, as llama.cpp's page of the format
describes them; the files under test are read by another program.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from engine.checkpoint.published.names import Shape, expected_shapes
from tests.unit.engine.folders import pack

CONFIG: dict[str, Any] = {
    "dim": 256, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 4, "cap_feat_dim": 160, "in_channels": 16,
}  # fmt: skip
Weights = dict[str, Any]  # name → float32
TO_COMFYUI = {
    "all_x_embedder.2-1.": "x_embedder.", "all_final_layer.2-1.": "final_layer.",
    ".attention.norm_q.": ".attention.q_norm.", ".attention.norm_k.": ".attention.k_norm.",
    ".attention.to_out.0.": ".attention.out.",
}  # fmt: skip


def dense() -> Weights:
    """Random weights, by the library's names."""
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(shape, dtype=np.float32) for name, shape in expected_shapes(CONFIG).items()
    }


def as_comfyui(weights: Weights) -> Weights:
    """The same weights by ComfyUI's names, with fused query, key and value."""
    renamed: Weights = {}
    for name, weight in weights.items():
        for ours, theirs in TO_COMFYUI.items():
            name = name.replace(ours, theirs)
        if ".attention.to_q." in name:
            parts = [weights[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")]
            renamed[name.replace("to_q", "qkv")] = np.concatenate(parts)
        elif ".attention.to_" not in name:
            renamed[name] = weight
    return renamed


def is_large(name: str) -> bool:
    """Whether converters store it in eight bits."""
    return name.endswith((".qkv.weight", ".out.weight", ".w1.weight", ".w2.weight", ".w3.weight"))


def write_safetensors(path: Path, tensors: Mapping[str, tuple[str, Shape, bytes]]) -> None:
    entries, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    path.write_bytes(pack(entries, data))


def bf16(weight: Any) -> tuple[str, Shape, bytes]:
    bits = np.ascontiguousarray(weight, "<f4").view("<u4")
    return "BF16", weight.shape, ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def f32(weight: Any) -> tuple[str, Shape, bytes]:
    weight = np.asarray(weight, "<f4")
    return "F32", weight.shape, weight.tobytes()


def write_bf16(path: Path, weights: Weights, prefix: str = "model.diffusion_model.") -> None:
    tensors = {f"{prefix}{name}": bf16(weight) for name, weight in as_comfyui(weights).items()}
    write_safetensors(path, tensors | {f"{prefix}norm_final.weight": bf16(np.ones(256, np.float32))})


def e4m3(value: float) -> int:
    """The nearest float8, by comparing with all 127 positive ones."""
    return int(np.abs(_E4M3 - abs(value)).argmin()) | (128 if value < 0 else 0)


_E4M3 = np.array(
    [(m / 8 * 2.0**-6) if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127]
)


def write_fp8_scaled(path: Path, weights: Weights, *, is_new: bool) -> None:
    """With ``scale_weight`` and a marker, or with ``weight_scale`` and ``comfy_quant``."""
    tensors: dict[str, tuple[str, Shape, bytes]] = {}
    edges = (_E4M3[1:] + _E4M3[:-1]) / 2
    for name, weight in as_comfyui(weights).items():
        if not is_large(name):
            tensors[name] = bf16(weight)
            continue
        layer, scale = name.removesuffix(".weight"), np.abs(weight).max() / 448
        values = np.searchsorted(edges, np.abs(weight) / scale) + 128 * (weight < 0)
        tensors[name] = "F8_E4M3", weight.shape, values.astype(np.uint8).tobytes()
        if is_new:
            tensors[f"{layer}.weight_scale"] = f32(scale)
            tensors[f"{layer}.comfy_quant"] = config({"format": "float8_e4m3fn"})
        else:
            tensors[f"{layer}.scale_weight"] = f32([scale])
            tensors[f"{layer}.scale_input"] = f32([1.0])
    if not is_new:
        tensors["scaled_fp8"] = "F8_E4M3", (2,), b"\0\0"
    write_safetensors(path, tensors)


def config(value: object) -> tuple[str, Shape, bytes]:
    text = json.dumps(value).encode()
    return "U8", (len(text),), text


def write_int8(path: Path, weights: Weights, *, group: int | None, is_flat: bool = False) -> None:
    """int8 with a scale per row; rotated if there is a group that divides the width."""
    tensors: dict[str, tuple[str, Shape, bytes]] = {}
    for name, weight in as_comfyui(weights).items():
        if not is_large(name):
            tensors[name] = bf16(weight)
            continue
        layer, own = name.removesuffix(".weight"), {"format": "int8_tensorwise"}
        if group and weight.shape[1] % group == 0:
            weight = (weight.reshape(-1, group) @ regular(group)).reshape(weight.shape)
            own |= {"convrot": True, "convrot_groupsize": group}
        scales = np.abs(weight).max(1, keepdims=True) / 127
        tensors[name] = "I8", weight.shape, np.round(weight / scales).astype(np.int8).tobytes()
        tensors[f"{layer}.weight_scale"] = f32(scales[:, 0] if is_flat else scales)
        tensors[f"{layer}.comfy_quant"] = config(own)
    write_safetensors(path, tensors)


@cache
def regular(group: int) -> Any:
    """ConvRot's matrix, entry by entry: factors of ½, negative where two bits of row and column differ."""
    digits = int(math.log(group, 4))

    def entry(row: int, column: int) -> float:
        pairs = [((row >> 2 * digit) & 3, (column >> 2 * digit) & 3) for digit in range(digits)]
        return float(np.prod([-0.5 if one + other == 3 else 0.5 for one, other in pairs]))

    return np.array([[entry(row, column) for column in range(group)] for row in range(group)], np.float32)


def write_gguf(path: Path, weights: Weights, kind: str) -> Weights:
    """Large layers in this type, if their width allows it; the rest in F16 or F32. Return what it holds."""
    writer = gguf.GGUFWriter(path, "lumina2")
    held: Weights = {}
    rng = np.random.default_rng(1)
    for name, weight in as_comfyui(weights).items():
        block = {"F16": 1, "BF16": 1, "Q8_0": 32}.get(kind, 256)
        if not is_large(name) or weight.shape[1] % block:
            half = np.asarray(weight, np.float16) if weight.ndim > 1 else np.asarray(weight, np.float32)
            writer.add_tensor(name, half)
            held[name] = half.astype(np.float32)
            continue
        raw_type = gguf.GGMLQuantizationType[kind]
        if kind in PACKERS:
            packed, numbers = PACKERS[kind](rng, *weight.shape)
        else:
            packed = gguf.quants.quantize(weight, raw_type)
            numbers = weight
        writer.add_tensor(name, packed, raw_dtype=raw_type)
        held[name] = numbers
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held


def _halves(rng: Any, count: int) -> Any:
    return (rng.random(count) * 0.01 + 0.001).astype(np.float16)


def _scales_of(packed: Any) -> tuple[list[int], list[int]]:
    """Eight scales and minima of six bits in twelve bytes."""
    scales, minima = [], []
    for j in range(8):
        if j < 4:
            scales.append(int(packed[j]) & 63)
            minima.append(int(packed[j + 4]) & 63)
        else:
            scales.append((int(packed[j + 4]) & 15) | (int(packed[j - 4]) >> 6 << 4))
            minima.append((int(packed[j + 4]) >> 4) | (int(packed[j]) >> 6 << 4))
    return scales, minima


def pack_q4_or_q5(rng: Any, rows: int, width: int, *, bits: int) -> tuple[Any, Any]:
    blocks = rows * width // 256
    d, least = _halves(rng, blocks), _halves(rng, blocks)
    scales, high, low = (rng.integers(0, 256, (blocks, count), np.uint8) for count in (12, 32, 128))
    parts = [d.view(np.uint8).reshape(-1, 2), least.view(np.uint8).reshape(-1, 2), scales]
    packed = np.concatenate([*parts, *([high] if bits == 5 else []), low], axis=1)
    numbers = np.empty((blocks, 8, 32), np.float32)
    for block in range(blocks):
        own_scales, own_minima = _scales_of(scales[block])
        for j in range(8):
            pair = low[block, j // 2 * 32 :][:32]
            value = (pair >> 4 if j % 2 else pair & 15).astype(int)
            if bits == 5:
                value += ((high[block] >> j & 1) * 16).astype(int)
            numbers[block, j] = float(d[block]) * own_scales[j] * value - float(least[block]) * own_minima[j]
    return packed.reshape(rows, -1), numbers.reshape(rows, width)


def pack_q6(rng: Any, rows: int, width: int) -> tuple[Any, Any]:
    blocks = rows * width // 256
    low, high = (rng.integers(0, 256, (blocks, count), np.uint8) for count in (128, 64))
    scales, d = rng.integers(-128, 128, (blocks, 16), np.int8), _halves(rng, blocks)
    packed = np.concatenate([low, high, scales.view(np.uint8), d.view(np.uint8).reshape(-1, 2)], axis=1)
    numbers = np.empty((blocks, 256), np.float32)
    for half in range(2):
        for quarter in range(4):
            nibbles = low[:, half * 64 + quarter % 2 * 32 :][:, :32] >> (4 * (quarter // 2)) & 15
            two = high[:, half * 32 :][:, :32] >> (2 * quarter) & 3
            first = half * 128 + quarter * 32
            value = (nibbles | two << 4).astype(np.float32) - 32
            own = scales[:, first // 16 :][:, :2].repeat(16, axis=1)
            numbers[:, first : first + 32] = d[:, None].astype(np.float32) * own * value
    return packed.reshape(rows, -1), numbers.reshape(rows, width)


PACKERS = {
    "Q4_K": lambda rng, rows, width: pack_q4_or_q5(rng, rows, width, bits=4),
    "Q5_K": lambda rng, rows, width: pack_q4_or_q5(rng, rows, width, bits=5),
    "Q6_K": pack_q6,
}
