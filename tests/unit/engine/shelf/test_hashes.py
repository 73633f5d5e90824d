"""The hash of a file is remembered while the file does not change, and not before it has settled."""

import os
from pathlib import Path

import pytest

from engine.checkpoint.model import ModelInfo
from engine.request import FileStamp
from engine.shelf import hashes, known_sha256, read_shelf
from tests.unit.engine.folders import lora_tensors, safetensors
from tests.unit.engine.shelf.files import put


def test_the_hash_of_a_file_just_written_is_not_kept(folder: Path, model: ModelInfo) -> None:
    """A second write within the clock's tick would not show in its times."""
    path = put(folder)
    read_shelf([folder], model)
    assert known_sha256(path, hashes.stamp_of(path.stat())) is None


@pytest.mark.parametrize(("age_s", "is_kept"), [(1.9, False), (2.0, False), (2.1, True)])
def test_a_hash_is_kept_once_the_file_is_two_seconds_old(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch, age_s: float, is_kept: bool
) -> None:
    path = put(folder)
    now_ns = path.stat().st_ctime_ns + round(age_s * 10**9)
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now_ns)
    read_shelf([folder], model)
    assert (known_sha256(path, hashes.stamp_of(path.stat())) is not None) is is_kept


def test_beyond_the_most_files_of_a_shelf_the_oldest_hash_is_forgotten(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {(Path(f"/{number}"), FileStamp(1, 1, 1, 1)): "" for number in range(1023)}
    monkeypatch.setattr(hashes, "MAX_ENTRIES", 1024)
    monkeypatch.setattr(hashes, "_hashes", known)
    monkeypatch.setattr(hashes, "SETTLED_NS", 0)
    put(folder)
    read_shelf([folder], model)
    assert [path for path, _ in known][:1] == [Path("/0")]
    put(folder, "anime")
    read_shelf([folder], model)
    assert len(known) == 1024
    assert [path for path, _ in known][:1] == [Path("/1")]


def test_an_unchanged_file_is_not_hashed_again_and_a_changed_one_is(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    file_digest = hashes.hashlib.file_digest

    def counted(file: object, name: str) -> object:
        hashed.append(name)
        return file_digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashes.hashlib, "file_digest", counted)
    monkeypatch.setattr(hashes, "SETTLED_NS", 0)
    path = put(folder)
    before = read_shelf([folder], model).files["sugar"].sha256
    assert read_shelf([folder], model).files["sugar"].sha256 == before
    assert len(hashed) == 1
    path.write_bytes(safetensors(lora_tensors(), fill=b"\x02"))
    os.utime(path, ns=(1, 1))
    assert read_shelf([folder], model).files["sugar"].sha256 != before
    assert len(hashed) == 2
