"""The reader uses exactly the hashed bytes and refuses everything else on that path."""

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from engine.errors import LoraDamaged, LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.lora import file_reader as read_module
from engine.lora.file_reader import read_tensors
from engine.request import LoraChoice

CONTENT = save({"layers.0.attention.to_q.lora_A.weight": torch.ones(4, 8)})


def choice_of(content: bytes) -> LoraChoice:
    return LoraChoice("sugar", hashlib.sha256(content).hexdigest())


def tensors_of(tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    return tensors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sugar.safetensors"
    path.write_bytes(CONTENT)
    return path


def test_the_tensors_of_the_pinned_content_are_read(path: Path) -> None:
    tensors = read_tensors(path, choice_of(CONTENT), tensors_of)
    assert torch.equal(tensors["layers.0.attention.to_q.lora_A.weight"], torch.ones(4, 8))


def test_the_metadata_that_state_the_scale_come_with_the_tensors(path: Path) -> None:
    content = save({"a": torch.ones(1)}, {"lora_adapter_metadata": "{}", "ss_tag_frequency": "long"})
    path.write_bytes(content)
    found = read_tensors(path, choice_of(content), lambda tensors, metadata: metadata)
    assert found == {"lora_adapter_metadata": "{}"}


def test_other_content_under_the_same_name_is_refused(path: Path) -> None:
    path.write_bytes(CONTENT[:-1] + b"\x01")
    with pytest.raises(LoraMissing):
        read_tensors(path, choice_of(CONTENT), tensors_of)


def test_a_deleted_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LoraMissing):
        read_tensors(tmp_path / "gone.safetensors", choice_of(CONTENT), tensors_of)


def test_links_are_not_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    with pytest.raises(LoraNotAFile):
        read_tensors(link, choice_of(CONTENT), tensors_of)


@pytest.mark.timeout(10)
def test_a_pipe_or_a_folder_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(LoraNotAFile):
            read_tensors(tmp_path / f"{name}.safetensors", choice_of(CONTENT), tensors_of)


def test_a_file_beyond_the_limit_is_refused_without_reading_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "MAX_FILE_BYTES", len(CONTENT) - 1)
    with pytest.raises(LoraTooLarge) as caught:
        read_tensors(path, choice_of(CONTENT), tensors_of)
    assert caught.value.facts == {"bytes": len(CONTENT), "limit": len(CONTENT) - 1}


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 7, CONTENT[:40], CONTENT[:-5], CONTENT + b"more", pickle.dumps({"weight": [1.0]})],
    ids=["empty", "shorter than a header", "half a header", "half a tensor", "with a tail", "a pickle"],
)
def test_a_damaged_safetensors_file_is_refused_though_its_hash_is_right(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoraDamaged):
        read_tensors(path, choice_of(content), tensors_of)


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "bomb.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(LoraRejected):
        read_tensors(path, choice_of(path.read_bytes()), tensors_of)
    assert not (tmp_path / "ran").exists()


def test_a_number_format_unknown_to_torch_is_refused(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + b"\0\0\0\0"
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoraDamaged):
        read_tensors(path, choice_of(content), tensors_of)
