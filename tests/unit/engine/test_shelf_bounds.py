"""The shelf's bounds: what a pair of matrices may look like, and what the table may say."""

from pathlib import Path

import pytest

from engine import errors
from engine.checkpoint.model import ModelInfo, read_model
from engine.shelf import read_shelf
from tests.unit.engine.folders import lora_tensors, safetensors, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return read_model(write_model(tmp_path_factory.mktemp("shelf") / "model"))


def one_pair(down: tuple[int, ...], up: tuple[int, ...], *alpha: tuple[int, ...]) -> bytes:
    """A LoRA of the one linear of (8, 8) that has matrices of these shapes."""
    stem = "diffusion_model.layers.0.attention.to_q"
    tensors = {f"{stem}.lora_A.weight": ("BF16", down), f"{stem}.lora_B.weight": ("BF16", up)}
    return safetensors(tensors | {f"{stem}.alpha": ("F32", shape) for shape in alpha})


@pytest.mark.parametrize(
    ("content", "is_taken"),
    [
        (one_pair((1, 8), (8, 1)), True),
        (one_pair((2, 8), (8, 2), ()), True),
        (one_pair((2, 8), (8, 2), (1,)), True),
        (one_pair((2, 8), (8, 2), (2,)), False),
        (one_pair((2, 8), (8, 2), (0,)), False),
        (one_pair((2, 8), (8, 3)), False),  # they cannot be multiplied
        (one_pair((2, 8, 1, 1), (8, 2, 1, 1)), False),  # a convolution's
        (one_pair((2, 8), (8, 2, 1)), False),
        (one_pair((2, 8, 1), (8, 2)), False),
        (one_pair((8,), (8, 8)), False),
    ],
)
def test_a_pair_is_two_matrices_that_can_be_multiplied_and_at_most_one_number(
    tmp_path: Path, model: ModelInfo, content: bytes, is_taken: bool
) -> None:
    (tmp_path / "sugar.safetensors").write_bytes(content)
    shelf = read_shelf([tmp_path], model)
    assert bool(shelf.files) is is_taken
    assert [type(each.error) for each in shelf.rejected] == [errors.LoraUnsupported] * (not is_taken)


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        ("weight = 2.0", True),
        ("weight = -2.0", True),
        ("weight = 2.01", False),
        ("weight = -2.01", False),
        (f"title.en = '{'x' * 80}'", True),
        (f"title.en = '{'x' * 81}'", False),
        (f"trigger = '{'x' * 200}'", True),
        (f"trigger = '{'x' * 201}'", False),
    ],
)
def test_what_a_table_may_say_has_bounds(tmp_path: Path, model: ModelInfo, line: str, is_read: bool) -> None:
    (tmp_path / "sugar.safetensors").write_bytes(safetensors(lora_tensors()))
    (tmp_path / "loras.toml").write_text(f"[sugar]\n{line}\n")
    assert bool(read_shelf([tmp_path], model).rejected) is not is_read
