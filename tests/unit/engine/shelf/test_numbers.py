import math
import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from engine import errors
from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.model import ModelInfo, built_in_lora_folder, find_model
from engine.config import EngineConfig
from engine.shelf import numbers, read_shelf, sha256_of
from engine.shelf.numbers import MAX_CHANGE, check_file_numbers, check_numbers
from engine.shelf.validation import find_layers, read_tensors
from tests.unit.engine.folders import LINEARS, header_of, pack

MODULE = "transformer.layers.0.attention.to_q"
DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


def encoded(value: float, dtype: str) -> bytes:
    match dtype:
        case "BF16":
            return struct.pack("<f", value)[2:]
        case "F8_E5M2":
            return np.float16(value).tobytes()[1:]
        case "F8_E4M3":
            return (
                bytes([int(np.nanargmin(np.abs(numbers._E4M3 - value)))]) if math.isfinite(value) else b"\x7f"
            )
        case _:
            return np.array(value, {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}[dtype]).tobytes()


def content(tensors: Mapping[str, tuple[str, tuple[int, ...], float]]) -> bytes:
    """A file whose tensors are each filled with one number."""
    entries, _ = header_of({name: (dtype, shape) for name, (dtype, shape, _) in tensors.items()})
    data = b"".join(encoded(value, dtype) * math.prod(shape) for dtype, shape, value in tensors.values())
    return pack(entries, data)


def pair(down: float, up: float, dtype: str = "F32", rank: int = 2) -> dict[str, tuple]:
    return {
        f"{MODULE}.lora_A.weight": (dtype, (rank, 8), down),
        f"{MODULE}.lora_B.weight": (dtype, (8, rank), up),
    }


def check(folder: Path, tensors: Mapping[str, tuple[str, tuple[int, ...], float]]) -> None:
    path = folder / "x.safetensors"
    path.write_bytes(content(tensors))
    with path.open("rb") as file:
        header, metadata = read_tensors(file)
        check_numbers(file, header, find_layers(header, LINEARS, {}, metadata))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_format_of_a_lora_is_read(folder: Path, dtype: str) -> None:
    check(folder, pair(0.5, 0.25, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_that_are_none_are_refused_in_every_format(folder: Path, dtype: str) -> None:
    with pytest.raises(errors.LoraNotFinite) as refused:
        check(folder, pair(0.5, math.nan, dtype))
    assert refused.value.facts["found"] == ("layers.0.attention.to_q",)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E5M2"])
def test_infinite_numbers_are_refused(folder: Path, dtype: str) -> None:
    with pytest.raises(errors.LoraNotFinite):
        check(folder, pair(-math.inf, 0.5, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_with_a_zero_factor_has_no_effect(folder: Path, dtype: str) -> None:
    with pytest.raises(errors.LoraAllZero):
        check(folder, pair(0.5, 0.0, dtype))


def test_one_layer_with_an_effect_is_enough(folder: Path) -> None:
    zero = {name.replace("to_q", "to_k"): entry for name, entry in pair(0.0, 0.0).items()}
    check(folder, pair(0.5, 0.25) | zero)


def test_a_change_beyond_the_limit_is_refused_though_each_number_is_small(folder: Path) -> None:
    side = math.sqrt(MAX_CHANGE / 2)
    check(folder, pair(0.99 * side, side))
    with pytest.raises(errors.LoraTooStrong):
        check(folder, pair(1.01 * side, side))


def test_the_scale_counts(folder: Path) -> None:
    alpha = f"{MODULE}.alpha"
    check(folder, pair(1.0, 1.0) | {alpha: ("F32", (), 2.0)})
    with pytest.raises(errors.LoraTooStrong):
        check(folder, pair(1.0, 1.0) | {alpha: ("I64", (), 400)})
    with pytest.raises(errors.LoraAllZero):
        check(folder, pair(1.0, 1.0) | {alpha: ("F32", (1,), 0.0)})


def test_a_huge_number_beside_a_tiny_one_is_refused(folder: Path) -> None:
    with pytest.raises(errors.LoraTooStrong):
        check(folder, pair(1e30, 1e-30))


def test_an_alpha_that_is_not_used_may_be_any_number(folder: Path) -> None:
    factors = {f"{MODULE}.lokr_w{each}": ("F32", shape, 0.1) for each, shape in ((1, (2, 2)), (2, (4, 4)))}
    check(folder, factors | {f"{MODULE}.alpha": ("F32", (), 1e10)})
    with pytest.raises(errors.LoraNotFinite):
        check(folder, factors | {f"{MODULE}.alpha": ("F32", (), math.nan)})


def test_products_of_loha_and_differences_are_bounded(folder: Path) -> None:
    sides = (("w1_a", (8, 2)), ("w1_b", (2, 8)), ("w2_a", (8, 2)), ("w2_b", (2, 8)))
    check(folder, {f"{MODULE}.hada_{name}": ("F32", shape, 1.4) for name, shape in sides})
    with pytest.raises(errors.LoraTooStrong):
        check(folder, {f"{MODULE}.hada_{name}": ("F32", shape, 3.0) for name, shape in sides})
    check(folder, {f"{MODULE}.diff": ("F32", (8, 8), 127.0)})
    with pytest.raises(errors.LoraTooStrong):
        check(folder, {f"{MODULE}.diff": ("F32", (8, 8), -129.0)})


def test_magnitudes_are_an_effect_of_their_own(folder: Path) -> None:
    dora = f"{MODULE}.lora_magnitude_vector.weight"
    check(folder, pair(1.0, 0.0) | {dora: ("F32", (8,), 1.0)})
    with pytest.raises(errors.LoraTooStrong):
        check(folder, pair(1.0, 0.0) | {dora: ("F32", (8,), 2000.0)})


def test_matrices_are_read_in_pieces_with_the_same_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "CHUNK", 16)
    side = math.sqrt(MAX_CHANGE / 2)
    check(folder, pair(0.99 * side, side))
    with pytest.raises(errors.LoraTooStrong):
        check(folder, pair(1.01 * side, side))


def test_e4m3_is_decoded_as_torch_decodes_it() -> None:
    torch = pytest.importorskip("torch")
    expected = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float().numpy()
    np.testing.assert_array_equal(numbers._E4M3, expected)


def test_memory_does_not_grow_with_the_file(folder: Path) -> None:
    path = folder / "x.safetensors"
    shape = (4096, 4096)
    entries, size = header_of({f"{MODULE}.diff": ("F16", shape)})
    path.write_bytes(pack(entries, b"\x00\x20" * (size // 2)))
    with path.open("rb") as file:
        header, metadata = read_tensors(file)
        layers = find_layers(header, {MODULE.removeprefix("transformer."): shape}, {}, metadata)
        tracemalloc.start()
        check_numbers(file, header, layers)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes <= 32 * 2**20


def test_the_built_in_loras_pass(tmp_path: Path) -> None:
    model = find_model(EngineConfig(data_dir=tmp_path, lora_dir=tmp_path), download=False)
    for file in read_shelf([built_in_lora_folder(model)], model).files.values():
        check_file_numbers(file.path, file.sha256, model)


def test_a_file_with_other_content_says_nothing_about_the_wanted_one(folder: Path, model: ModelInfo) -> None:
    assert linear_shapes(model.folder) == LINEARS
    path = folder / "x.safetensors"
    path.write_bytes(content(pair(0.5, 0.5)))
    check_file_numbers(path, sha256_of(path), model)
    with pytest.raises(errors.LoraMissing):
        check_file_numbers(path, "0" * 64, model)
    path.write_bytes(content(pair(0.5, math.nan)))  # a refusal says nothing about it either
    with pytest.raises(errors.LoraMissing):
        check_file_numbers(path, "0" * 64, model)
    with pytest.raises(errors.LoraNotFinite):
        check_file_numbers(path, sha256_of(path), model)
