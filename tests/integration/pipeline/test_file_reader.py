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
from engine.lora.finder import FoundFile
from engine.request import LoraChoice
from engine.shelf import hashes, known_sha256, stamp_of
from tests.fakes.lora_files.found import found

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
    tensors = read_tensors(found(path), choice_of(CONTENT), tensors_of)
    assert torch.equal(tensors["layers.0.attention.to_q.lora_A.weight"], torch.ones(4, 8))


def test_the_metadata_that_state_the_scale_come_with_the_tensors(path: Path) -> None:
    content = save({"a": torch.ones(1)}, {"lora_adapter_metadata": "{}", "ss_tag_frequency": "long"})
    path.write_bytes(content)
    metadata = read_tensors(found(path), choice_of(content), lambda tensors, metadata: metadata)
    assert metadata == {"lora_adapter_metadata": "{}"}


def test_other_content_under_the_same_name_is_refused(path: Path) -> None:
    path.write_bytes(CONTENT[:-1] + b"\x01")
    with pytest.raises(LoraMissing):
        read_tensors(found(path), choice_of(CONTENT), tensors_of)


def test_a_deleted_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LoraMissing):
        read_tensors(found(tmp_path / "gone.safetensors"), choice_of(CONTENT), tensors_of)


def test_links_are_not_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    with pytest.raises(LoraNotAFile):
        read_tensors(found(link), choice_of(CONTENT), tensors_of)


def test_a_link_to_a_folder_is_not_followed_either(tmp_path: Path) -> None:
    outside, shelf = tmp_path / "outside", tmp_path / "shelf"
    for folder in (outside, shelf / "faces"):
        folder.mkdir(parents=True)
        (folder / "sugar.safetensors").write_bytes(CONTENT)
    (shelf / "linked").symlink_to(outside)
    inner = FoundFile(shelf, Path("faces/sugar.safetensors"))
    assert read_tensors(inner, choice_of(CONTENT), tensors_of)
    with pytest.raises(LoraNotAFile):
        read_tensors(FoundFile(shelf, Path("linked/sugar.safetensors")), choice_of(CONTENT), tensors_of)
    (tmp_path / "shelf-link").symlink_to(shelf)  # the host's own setting may be a link
    inner = FoundFile(tmp_path / "shelf-link", Path("faces/sugar.safetensors"))
    assert read_tensors(inner, choice_of(CONTENT), tensors_of)


def test_a_file_is_hashed_unless_it_is_as_it_was_when_the_host_hashed_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    sha256 = hashlib.sha256

    def counted(content: memoryview) -> object:
        hashed.append(len(content))
        return sha256(content)

    monkeypatch.setattr(read_module.hashlib, "sha256", counted)
    choice = LoraChoice("sugar", sha256(CONTENT).hexdigest())
    stamp = stamp_of(path.stat())
    as_hashed = FoundFile(path.parent, Path(path.name), stamp)
    read_tensors(as_hashed, choice, tensors_of)
    assert hashed == []
    os.utime(path, ns=(1, 1))  # touched: the same content, which has to be proved again
    read_tensors(as_hashed, choice, tensors_of)
    assert hashed == [len(CONTENT)]
    path.write_bytes(CONTENT[:-1] + b"\x01")
    with pytest.raises(LoraMissing):
        read_tensors(as_hashed, choice, tensors_of)
    assert len(hashed) == 2


def test_a_hash_that_the_worker_computed_is_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "SETTLED_NS", 0)
    read_tensors(found(path), choice_of(CONTENT), tensors_of)
    assert known_sha256(path, stamp_of(path.stat())) == choice_of(CONTENT).sha256


@pytest.mark.timeout(60)
def test_a_pipe_or_a_folder_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(LoraNotAFile):
            read_tensors(found(tmp_path / f"{name}.safetensors"), choice_of(CONTENT), tensors_of)


def test_a_file_beyond_the_limit_is_refused_without_reading_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "MAX_FILE_BYTES", len(CONTENT) - 1)
    with pytest.raises(LoraTooLarge) as caught:
        read_tensors(found(path), choice_of(CONTENT), tensors_of)
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
        read_tensors(found(path), choice_of(content), tensors_of)


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "bomb.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(LoraRejected):
        read_tensors(found(path), choice_of(path.read_bytes()), tensors_of)
    assert not (tmp_path / "ran").exists()


def test_a_number_format_unknown_to_torch_is_refused(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + b"\0\0\0\0"
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoraDamaged):
        read_tensors(found(path), choice_of(content), tensors_of)
