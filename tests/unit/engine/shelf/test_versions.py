"""Private copies keep the content that a job was accepted with."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from engine.errors import LoraMissing, LoraNotAFile
from engine.shelf import drop_versions, keep_version, kept_versions


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def keep(folder: Path, source: Path, content: bytes, age: int = 0) -> str:
    sha256 = write(source, content)
    keep_version(folder, sha256, source)
    os.utime(kept_versions(folder)[sha256], ns=(age, age))
    return sha256


def test_a_copy_survives_rewriting_in_place_and_is_private(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.safetensors", tmp_path / "kept"
    sha256 = write(source, b"first")
    keep_version(folder, sha256, source)
    with source.open("r+b") as file:
        file.write(b"other")
    copy = kept_versions(folder)[sha256]
    assert copy.read_bytes() == b"first"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_other_content_is_not_kept(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.safetensors", tmp_path / "kept"
    sha256 = write(source, b"first")
    source.write_bytes(b"other")
    with pytest.raises(LoraMissing):
        keep_version(folder, sha256, source)
    source.unlink()
    with pytest.raises(LoraNotAFile):
        keep_version(folder, sha256, source)
    source.symlink_to(tmp_path / "kept")
    with pytest.raises(LoraNotAFile):
        keep_version(folder, sha256, source)
    assert list(folder.iterdir()) == []


def test_only_needed_and_useful_copies_stay(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.safetensors", tmp_path / "kept"
    hashes = [keep(folder, source, bytes([number]) * 10, age=number + 1) for number in range(4)]
    needed, _, old, new = hashes
    drop_versions(folder, frozenset({needed}), frozenset({needed, old, new}), limit_bytes=100)
    assert kept_versions(folder).keys() == {needed, old, new}
    drop_versions(folder, frozenset({needed}), frozenset({needed, old, new}), limit_bytes=20)
    assert kept_versions(folder).keys() == {needed, new}
    drop_versions(folder, frozenset({needed}), frozenset({needed, new}), limit_bytes=1)
    assert kept_versions(folder).keys() == {needed}


def test_other_files_of_the_folder_are_no_copies(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ("a" * 64 + ".safetensors")).symlink_to(tmp_path / "notes.txt")
    assert kept_versions(tmp_path) == {}
    assert kept_versions(tmp_path / "nowhere") == {}
