"""A file on the shelf holds pairs of matrices for this model, and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import errors
from engine.checkpoint.model import ModelInfo
from engine.shelf import read_shelf, sha256_of
from tests.unit.engine.folders import LINEARS, lora_tensors, safetensors
from tests.unit.engine.shelf.files import put, refusal

FUSED = {"layers.0.attention.qkv": (24, 8), "layers.0.attention.out": (8, 8)}


def one_pair(down: tuple[int, ...], up: tuple[int, ...], *alpha: tuple[int, ...]) -> bytes:
    """A LoRA of the one linear of (8, 8) that has matrices of these shapes."""
    stem = "diffusion_model.layers.0.attention.to_q"
    tensors = {f"{stem}.lora_A.weight": ("BF16", down), f"{stem}.lora_B.weight": ("BF16", up)}
    return safetensors(tensors | {f"{stem}.alpha": ("F32", shape) for shape in alpha})


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (one_pair((1, 8), (8, 1)), None),
        (one_pair((2, 8), (8, 2), ()), None),
        (one_pair((2, 8), (8, 2), (1,)), None),
        (one_pair((2, 8), (8, 2), (2,)), errors.LoraUnsupported),
        (one_pair((2, 8), (8, 2), (0,)), errors.LoraUnsupported),
        (one_pair((2, 8), (8, 3)), errors.LoraIncomplete),  # they cannot be multiplied
        (one_pair((2, 8, 1, 1), (8, 2, 1, 1)), None),  # convolutions of one pixel
        (one_pair((2, 8, 1, 2), (8, 2, 1, 1)), errors.LoraIncomplete),
        (one_pair((8,), (8, 8)), errors.LoraIncomplete),
    ],
)
def test_a_pair_is_two_matrices_that_can_be_multiplied_and_at_most_one_number(
    tmp_path: Path, model: ModelInfo, content: bytes, error: type[errors.LoraRejected] | None
) -> None:
    (tmp_path / "sugar.safetensors").write_bytes(content)
    shelf = read_shelf([tmp_path], model)
    assert bool(shelf.files) is (error is None)
    assert [type(each.error) for each in shelf.rejected] == ([error] if error else [])


@pytest.mark.parametrize(
    ("prefix", "down", "up"),
    [
        ("transformer.", ".lora_A.weight", ".lora_B.weight"),
        ("", ".lora_A.weight", ".lora_B.weight"),
        ("base_model.model.", ".lora_A.weight", ".lora_B.weight"),
        ("", ".lora_A.default.weight", ".lora_B.default.weight"),
        ("diffusion_model.", ".lora_A.weight", ".lora_B.weight"),
        ("diffusion_model.", ".lora_down.weight", ".lora_up.weight"),
    ],
)
def test_each_known_layout_is_accepted(
    folder: Path, model: ModelInfo, prefix: str, down: str, up: str
) -> None:
    tensors = lora_tensors(prefix, down, up)
    if down == ".lora_down.weight":
        tensors |= {f"{prefix}{module}.alpha": ("F32", ()) for module in LINEARS}
    put(folder, content=safetensors(tensors))
    assert read_shelf([folder], model).rejected == ()


def test_the_rank_of_a_file_is_its_largest_and_each_of_its_ranks_is_checked(
    folder: Path, model: ModelInfo
) -> None:
    modules = list(LINEARS)
    ranks = dict(zip(modules, [4, 1, 1024, 2, 2, 2, 2], strict=True))
    put(folder, content=safetensors(mixed(ranks)))
    assert read_shelf([folder], model).files["sugar"].rank == 1024
    for wrong in (0, 1025):
        put(folder, content=safetensors(mixed({**ranks, modules[3]: wrong})))
        refused = refusal(read_shelf([folder], model))
        assert type(refused) is errors.LoraRankRefused
        assert f"The rank of {modules[3]} is {wrong}; only 1 to 1024 are allowed" in str(refused)
        assert refused.facts["found"] == (str(wrong),)


@pytest.mark.parametrize(
    "shapes",
    [
        {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 0), "hada_w2_b": (0, 8)},
        {"lokr_w1_a": (2, 0), "lokr_w1_b": (0, 2), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 4)},
    ],
)
def test_each_rank_of_a_product_of_two_pairs_is_checked(
    folder: Path, model: ModelInfo, shapes: dict[str, tuple[int, ...]]
) -> None:
    other = lora_tensors(modules={"layers.0.attention.to_k": (8, 8)})
    own = {f"transformer.layers.0.attention.to_q.{part}": ("BF16", shape) for part, shape in shapes.items()}
    put(folder, content=safetensors(other | own))
    refused = refusal(read_shelf([folder], model))
    assert type(refused) is errors.LoraRankRefused
    assert refused.facts["found"] == ("0",)


def mixed(ranks: dict[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors of a LoRA that has a rank of its own for each module."""
    tensors = {}
    for module, rank in ranks.items():
        tensors |= lora_tensors(rank=rank, modules={module: LINEARS[module]})
    return tensors


def test_layouts_with_query_key_and_value_in_one_are_accepted(folder: Path, model: ModelInfo) -> None:
    put(folder, content=safetensors(lora_tensors("diffusion_model.", modules=FUSED)))
    kohya = {f"lora_unet_{module.replace('.', '_')}": shape for module, shape in FUSED.items()}
    put(folder, "kohya", safetensors(lora_tensors("", ".lora_down.weight", ".lora_up.weight", modules=kohya)))
    assert set(read_shelf([folder], model).files) == {"sugar", "kohya"}


def test_a_lora_that_changes_only_some_modules_is_accepted(folder: Path, model: ModelInfo) -> None:
    put(folder, content=safetensors(lora_tensors(modules={"layers.0.attention.to_q": (8, 8)})))
    assert "sugar" in read_shelf([folder], model).files


def test_the_wrong_modules_are_named_but_not_all_of_them(folder: Path, model: ModelInfo) -> None:
    modules = {f"down_blocks.{number}.to_q": (8, 8) for number in range(70)}
    put(folder, content=safetensors(lora_tensors(modules=modules)))
    refused = refusal(read_shelf([folder], model))
    assert "down_blocks.0.to_q" in str(refused)
    assert "67 more" in str(refused)
    assert len(str(refused)) < 300


def test_three_wrong_modules_are_all_named_and_a_very_long_name_is_cut(
    folder: Path, model: ModelInfo
) -> None:
    modules = {f"down_blocks.{number}.{'x' * 100}": (8, 8) for number in range(3)}
    put(folder, content=safetensors(lora_tensors(modules=modules)))
    refused = refusal(read_shelf([folder], model))
    assert refused.facts["found"] == tuple(f"down_blocks.{number}.{'x' * 66}" for number in range(3))
    assert "more" not in str(refused)


def test_a_file_larger_than_a_gibibyte_is_refused_unread(folder: Path, model: ModelInfo) -> None:
    path = put(folder)
    os.truncate(path, 2**30 + 1)
    assert type(refusal(read_shelf([folder], model))) is errors.LoraTooLarge
    os.truncate(path, 2**30)  # may be read, but its header is wrong
    assert type(refusal(read_shelf([folder], model))) is errors.LoraTruncated


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path, outside: path.symlink_to(outside), errors.LoraNotAFile),
        (lambda path, outside: path.mkdir(), errors.LoraNotRegular),
        (lambda path, outside: os.mkfifo(path), errors.LoraNotRegular),
        (lambda path, outside: path.symlink_to("/dev/zero"), errors.LoraNotAFile),
    ],
    ids=["link", "folder", "pipe", "device"],
)
def test_nothing_but_a_regular_file_of_the_folder_is_opened(
    folder: Path, model: ModelInfo, make: Callable[[Path, Path], object], error: type[errors.LoraNotAFile]
) -> None:
    outside = put(folder.parent, "outside")
    make(folder / "sugar.safetensors", outside)
    before = len(os.listdir("/proc/self/fd"))
    assert type(refusal(read_shelf([folder], model))) is error
    with pytest.raises(errors.LoraNotAFile):
        sha256_of(folder / "sugar.safetensors")
    assert len(os.listdir("/proc/self/fd")) <= before  # the shelf is read again and again


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_no_content_makes_the_shelf_fail(folder: Path, model: ModelInfo, data: st.DataObject) -> None:
    content = bytearray(safetensors(lora_tensors()))
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    put(folder, content=bytes(content[: data.draw(st.integers(0, len(content)))]))
    shelf = read_shelf([folder], model)
    assert len(shelf.files) + len(shelf.rejected) == 1


def test_two_tensors_for_one_matrix_and_two_pairs_for_one_module_are_refused(
    folder: Path, model: ModelInfo
) -> None:
    put(folder, content=safetensors(lora_tensors() | lora_tensors("diffusion_model.")))
    twice = lora_tensors("", modules={"layers.0.attention.to_k": (8, 8)}) | lora_tensors("", modules=FUSED)
    put(folder, "anime", content=safetensors(twice))
    rejected = read_shelf([folder], model).rejected
    assert [type(each.error) for each in rejected] == [errors.LoraNamedTwice] * 2
    assert [each.error.facts["why"] for each in rejected] == ["named_twice"] * 2
