"""A published file of the transformer: read, converted, preferred; or refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.checkpoint.contents import header_of, linear_shapes, missing_parts, weight_files
from engine.checkpoint.convert import convert
from engine.checkpoint.copies import CopyState, copy_folder, copy_state, parts_to_convert
from engine.checkpoint.model import BUILT_IN_WEIGHTS, find_model, find_source
from engine.checkpoint.published import file as module
from engine.checkpoint.published.names import expected_shapes, library_names
from engine.config import EngineConfig
from engine.errors import ModelIncomplete, ModelNotConverted
from tests.unit.engine.checkpoint.published import making
from tests.unit.engine.folders import write_model

# Relative errors of a whole layer of normal numbers, whose largest in a row is about 3: an int8 step is 0.024
# and its error 0.007; fp8 has three bits of mantissa; Q8_0 has a scale for 32 numbers.
FORMATS: dict[str, tuple[str, Callable[..., Any], float]] = {
    "bf16": ("z.safetensors", making.write_bf16, 0.003),
    "bf16 without prefix": ("z.safetensors", lambda *own: making.write_bf16(*own, prefix=""), 0.003),
    "fp8 scaled": ("z.safetensors", lambda *own: making.write_fp8_scaled(*own, is_new=False), 0.04),
    "fp8, comfy_quant": ("z.safetensors", lambda *own: making.write_fp8_scaled(*own, is_new=True), 0.04),
    "int8": ("z.safetensors", lambda *own: making.write_int8(*own, group=None), 0.012),
    "int8 ConvRot 256": ("z.safetensors", lambda *own: making.write_int8(*own, group=256), 0.012),
    "int8 ConvRot 64, flat": (
        "z.safetensors", lambda *own: making.write_int8(*own, group=64, is_flat=True), 0.012,
    ),
    **{
        f"GGUF {kind}": ("z.gguf", lambda *own, kind=kind: making.write_gguf(*own, kind), bound)
        for kind, bound in (
            ("F16", 0.003), ("BF16", 0.005), ("Q8_0", 0.01),
            ("Q4_K", 0.003), ("Q5_K", 0.003), ("Q6_K", 0.003),
        )
    },
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    """A model whose transformer folder has a configuration and no weights yet."""
    folder = write_model(tmp_path / "model")
    for path in (folder / "transformer").iterdir():
        path.unlink()
    (folder / "transformer" / "config.json").write_text(json.dumps(making.CONFIG))
    return EngineConfig(tmp_path / "data", lora_dir=tmp_path / "loras", model=str(folder), device="cuda")


def transformer_of(config: EngineConfig) -> Path:
    return Path(config.model) / "transformer"


def numbers_of(folder: Path) -> dict[str, Any]:
    numbers = {}
    for path in weight_files(folder, "transformer"):
        for name, tensor in header_of(path).items():
            raw = path.read_bytes()[tensor.offset_bytes :][: tensor.nbytes]
            assert tensor.dtype == "BF16"
            wide = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
            numbers[name] = wide.reshape(tensor.shape)
    return numbers


@pytest.mark.parametrize("kind", FORMATS)
def test_a_published_file_becomes_a_copy_with_the_same_numbers(
    config: EngineConfig, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_NUMBERS", 10_000)  # so that tensors come in several pieces
    name, write, bound = FORMATS[kind]
    weights = making.dense()
    held = write(transformer_of(config) / name, weights) or making.as_comfyui(weights)
    source = find_source(config)
    assert set(parts_to_convert(source.folder)) == {"transformer", "vae"}
    steps: list[tuple[int, int]] = []
    folder = convert(source, config.data_dir, lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1]
    assert missing_parts(folder) == []
    assert linear_shapes(folder) == linear_shapes(source.folder)
    found = numbers_of(folder)
    assert {name: own.shape for name, own in found.items()} == expected_shapes(making.CONFIG)
    for comfy, expected in held.items():
        own = np.concatenate([found[each] for each in library_names(comfy)])
        error = np.linalg.norm(own - expected.reshape(own.shape)) / np.linalg.norm(expected)
        assert error <= bound, comfy


def test_it_is_not_loaded_before_it_is_converted_and_again_after_it_changes(config: EngineConfig) -> None:
    path = transformer_of(config) / "z.safetensors"
    making.write_bf16(path, making.dense())
    source = find_source(config)
    with pytest.raises(ModelNotConverted):
        find_model(config)
    folder = convert(source, config.data_dir, lambda *_: None)
    for device in ("cuda", "cpu"):
        changed = EngineConfig(config.data_dir, config.lora_dir, config.model, device=device)
        assert find_model(changed).folder == folder.resolve()
    making.write_int8(path, making.dense(), group=256)
    assert (
        copy_state(copy_folder(config.data_dir, source.folder, source.name), source.folder) is CopyState.STALE
    )
    with pytest.raises(ModelNotConverted):
        find_model(config)


def test_the_librarys_files_win_over_a_file_beside_them(config: EngineConfig) -> None:
    making.write_bf16(transformer_of(config) / "z.safetensors", making.dense())
    making.write_bf16(
        transformer_of(config) / "diffusion_pytorch_model.safetensors", making.dense(), prefix=""
    )
    names = [path.name for path in weight_files(Path(config.model), "transformer")]
    assert names == ["diffusion_pytorch_model.safetensors"]


def refused(config: EngineConfig) -> str:
    with pytest.raises(ModelIncomplete) as caught:
        find_source(config)
    return " ".join(caught.value.facts["missing"])


def test_several_files_are_ambiguous(config: EngineConfig) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        making.write_bf16(transformer_of(config) / name, making.dense())
    assert "transformer/diffusion_pytorch_model.safetensors" in refused(config)


def tampered(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """An int8 file with a changed table of tensors."""

    def write(path: Path) -> None:
        written: dict[str, Any] = {}
        original, making.write_safetensors = (
            making.write_safetensors,
            lambda _, tensors: written.update(tensors),
        )
        try:
            making.write_int8(path, making.dense(), group=256)
        finally:
            making.write_safetensors = original
        change(written)
        making.write_safetensors(path, written)

    return write


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors.pop(name)


def with_(name: str, tensor: Any) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors.update({name: tensor})


W2, W2_CONFIG = "layers.1.feed_forward.w2.weight", "layers.1.feed_forward.w2.comfy_quant"
QKV = "layers.0.attention.qkv"
REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another part": (with_("vae.a.weight", making.f32([1.0])), "unknown tensors: vae.a.weight"),
    "a missing layer": (without(W2), f"missing: {W2}"),
    "another size": (with_("x_pad_token", making.f32(np.ones((1, 64)))), "other sizes: x_pad_token [1, 64]"),
    "another number format": (with_(W2, ("F8_E5M2", (256, 682), b"\0" * 256 * 682)), f"{W2}: F8_E5M2"),
    "W4A8": (with_(W2_CONFIG, making.config({"format": "asym_w4a8_int8"})), f"{W2}: asym_w4a8_int8"),
    "no JSON": (with_(W2_CONFIG, ("U8", (3,), b"{{{")), f"{W2}: unreadable"),
    "no scales": (without("layers.1.feed_forward.w2.weight_scale"), f"{W2}: I8 without weight_scale"),
    "scales of groups": (
        with_("layers.1.feed_forward.w2.weight_scale", making.f32(np.ones((256, 2)))), f"{W2}: scales F32",
    ),
    "a group that is no power of four": (
        with_(f"{QKV}.comfy_quant", making.config(
            {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": 128}
        )), f"{QKV}.weight: convrot_groupsize 128",
    ),
}  # fmt: skip


REFUSED |= {
    "nested JSON": (with_(W2_CONFIG, ("U8", (4000,), b"[" * 4000)), f"{W2}: unreadable"),
    "a rotated number without sides": (
        lambda tensors: tensors.update({W2: ("I8", (), b"1")}), "transformer/z.safetensors (",
    ),
}  # fmt: skip


@pytest.mark.parametrize("flaw", REFUSED)
def test_an_unknown_file_is_refused_by_name(config: EngineConfig, flaw: str) -> None:
    change, expected = REFUSED[flaw]
    tampered(change)(transformer_of(config) / "z.safetensors")
    assert expected in refused(config)


def test_a_gguf_below_four_bits_is_refused_by_its_type(config: EngineConfig) -> None:
    path = transformer_of(config) / "z.gguf"
    writer = making.gguf.GGUFWriter(path, "lumina2")
    kind = making.gguf.GGMLQuantizationType.Q3_K
    writer.add_tensor("layers.0.attention.qkv.weight", np.zeros((768, 110), np.uint8), raw_dtype=kind)
    for end in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{end}_to_file")()
    writer.close()
    assert "layers.0.attention.qkv.weight: Q3_K" in refused(config)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 16, b"PK\x03\x04" * 9])
@pytest.mark.parametrize("name", ["z.gguf", "z.safetensors"])
def test_a_damaged_file_is_refused(config: EngineConfig, name: str, content: bytes) -> None:
    (transformer_of(config) / name).write_bytes(content)
    assert f"transformer/{name} (" in refused(config)


@pytest.mark.parametrize(
    "change", [{"n_heads": 0}, {"n_layers": 10**12}, {"n_refiner_layers": 10**12}, {"dim": float("inf")}]
)
def test_an_impossible_configuration_is_refused(config: EngineConfig, change: dict[str, Any]) -> None:
    making.write_bf16(transformer_of(config) / "z.safetensors", making.dense())
    (transformer_of(config) / "config.json").write_text(json.dumps({**making.CONFIG, **change}))
    assert "transformer/z.safetensors (" in refused(config)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def gguf_header(tensors: int, entries: int) -> bytes:
    return b"GGUF" + u32(3) + u64(tensors) + u64(entries)


KEY = u64(1) + b"a"
HOSTILE_GGUF = {
    "a million tensors": (gguf_header(10**6, 0) + bytes(24 * 10**6), "too large"),
    "a million entries": (gguf_header(0, 10**6) + (KEY + u32(0) + b"1") * 10**6, "too large"),
    "a long array": (gguf_header(0, 1) + KEY + u32(9) + u32(0) + u64(10**7) + bytes(10**7), "array"),
    "arrays of arrays": (
        gguf_header(0, 1) + KEY + u32(9) + (u32(9) + u64(1)) * 5000 + u32(0) + u64(1) + b"1", "array",
    ),
    "a long string": (gguf_header(0, 1) + KEY + u32(8) + u64(2**21) + bytes(2**21), "string"),
    "many dimensions": (gguf_header(1, 0) + KEY + u32(10**6) + bytes(8 * 10**6 + 12), "dimensions"),
    "an endless tensor": (
        gguf_header(1, 0) + KEY + u32(2) + u64(2**63) + u64(2) + u32(0) + u64(0) + bytes(64), "GGUF",
    ),
    "an unknown type": (gguf_header(0, 1) + KEY + u32(77), "type 77"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", HOSTILE_GGUF)
def test_a_hostile_gguf_header_is_refused_before_the_package_reads_it(
    config: EngineConfig, flaw: str
) -> None:
    content, expected = HOSTILE_GGUF[flaw]
    (transformer_of(config) / "z.gguf").write_bytes(content)
    assert expected in refused(config)


def test_another_configuration_is_refused(config: EngineConfig) -> None:
    making.write_bf16(transformer_of(config) / "z.safetensors", making.dense())
    (transformer_of(config) / "config.json").write_text(json.dumps({**making.CONFIG, "n_layers": 3}))
    assert "missing: layers.2." in refused(config)
    (transformer_of(config) / "config.json").write_text("{}")
    assert "'dim'" in refused(config)


def test_the_expected_tensors_are_those_of_the_built_in_model() -> None:
    own = json.loads((BUILT_IN_WEIGHTS / "transformer" / "config.json").read_bytes())
    (path,) = weight_files(BUILT_IN_WEIGHTS, "transformer")
    assert expected_shapes(own) == {name: tensor.shape for name, tensor in header_of(path).items()}
