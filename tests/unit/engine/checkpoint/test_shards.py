"""Tensors go to disk piece by piece and are read back by the header's reader and by the library."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors import safe_open

from engine.checkpoint.header import Tensor, read_header
from engine.checkpoint.shards import write_part

TENSORS = {
    "a": Tensor("BF16", (3, 5)),
    "b": Tensor("F32", (2, 2)),
    "c": Tensor("I64", (1,)),
    "d": Tensor("BF16", (0, 4)),
}


def pieces(name: str) -> Iterator[bytes]:
    content = name.encode() * TENSORS[name].nbytes
    yield content[:7]
    yield content[7:]


def test_tensors_that_fit_one_file_are_in_one_file(tmp_path: Path) -> None:
    written_bytes = sum(write_part(tmp_path, "model", TENSORS, pieces))
    assert written_bytes == 30 + 16 + 8
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    path = tmp_path / "model.safetensors"
    with path.open("rb") as file:
        found = read_header(file)
    assert found == TENSORS
    content = path.read_bytes()
    for name, tensor in found.items():
        assert tensor.offset_bytes % tensor.item_bytes == 0
        assert content[tensor.offset_bytes :][: tensor.nbytes] == name.encode() * tensor.nbytes
    with safe_open(path, "np") as library:
        assert library.metadata() == {"format": "pt"}
        assert sorted(library.keys()) == sorted(TENSORS)
        assert library.get_tensor("b").tobytes() == b"b" * 16


def test_larger_parts_are_spread_over_files_and_listed(tmp_path: Path) -> None:
    list(write_part(tmp_path, "model", TENSORS, pieces, max_bytes=20))
    shards = {path.name: path for path in tmp_path.glob("*.safetensors")}
    assert sorted(shards) == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    held = []
    for name in sorted(shards):
        with shards[name].open("rb") as file:
            held.append(sorted(read_header(file)))
    assert held == [["a"], ["b"], ["c", "d"]]  # "a" alone is larger than a file may be
    assert (tmp_path / "model.safetensors.index.json").is_file()


def test_a_truncated_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a has 30 bytes, not 29"):
        list(write_part(tmp_path, "model", {"a": TENSORS["a"]}, lambda name: [bytes(29)]))
