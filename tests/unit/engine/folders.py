"""Makes safetensors files and checkpoint folders without torch, for tests of the engine."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ITEM_BYTES = {"F32": 4, "BF16": 2, "F16": 2, "I64": 8, "F64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
Shape = tuple[int, ...]

# A transformer with two blocks of two linears and what other trainers call by other names.
LINEARS: dict[str, Shape] = {
    "layers.0.attention.to_q": (8, 8),
    "layers.0.attention.to_k": (8, 8),
    "layers.0.attention.to_v": (8, 8),
    "layers.0.attention.to_out.0": (8, 8),
    "layers.0.feed_forward.w1": (24, 8),
    "layers.0.feed_forward.w2": (8, 24),
    "cap_embedder.1": (8, 4),
}

TOKENIZER = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}


def header_of(tensors: Mapping[str, tuple[str, Shape]]) -> tuple[dict[str, Any], int]:
    """The header's entries, laid out without gaps, and how many bytes the tensors take."""
    entries: dict[str, Any] = {}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + math.prod(shape) * ITEM_BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    return entries, position


def pack(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors(tensors: Mapping[str, tuple[str, Shape]], fill: bytes = b"\x01") -> bytes:
    entries, size = header_of(tensors)
    return pack(entries, fill * size)


def lora_tensors(
    prefix: str = "transformer.",
    down: str = ".lora_A.weight",
    up: str = ".lora_B.weight",
    *,
    rank: int = 2,
    dtype: str = "BF16",
    modules: Mapping[str, Shape] = LINEARS,
) -> dict[str, tuple[str, Shape]]:
    tensors: dict[str, tuple[str, Shape]] = {}
    for module, (out, in_) in modules.items():
        tensors[f"{prefix}{module}{down}"] = (dtype, (rank, in_))
        tensors[f"{prefix}{module}{up}"] = (dtype, (out, rank))
    return tensors


def write_model(folder: Path, *, limits: Mapping[str, object] | None = None) -> Path:
    """A folder that looks like a whole Z-Image checkpoint; its transformer is stored in two shards."""
    index = {
        "_class_name": "ZImagePipeline",
        "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    for part in ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    for part in ("transformer", "vae", "text_encoder"):
        (folder / part / "config.json").write_text("{}")
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    weights = {f"{module}.weight": ("F32", shape) for module, shape in LINEARS.items()}
    weights |= {"layers.0.norm.weight": ("F32", (8,)), "x_pad_token": ("F32", (1, 8))}
    stem = "diffusion_pytorch_model"
    names = list(weights)
    shards = {
        f"{stem}-00001-of-00002.safetensors": names[:4],
        f"{stem}-00002-of-00002.safetensors": names[4:],
    }
    for shard, keys in shards.items():
        (folder / "transformer" / shard).write_bytes(safetensors({key: weights[key] for key in keys}))
    weight_map = {key: shard for shard, keys in shards.items() for key in keys}
    (folder / "transformer" / f"{stem}.safetensors.index.json").write_text(
        json.dumps({"weight_map": weight_map})
    )
    (folder / "vae" / f"{stem}.safetensors").write_bytes(safetensors({"a.weight": ("F32", (2, 2))}))
    (folder / "text_encoder" / "model.safetensors").write_bytes(safetensors({"a.weight": ("BF16", (2, 2))}))
    if limits is not None:
        (folder / "sugarbot.json").write_text(json.dumps(limits))
    return folder
