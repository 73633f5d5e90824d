"""A file is whole, private and durable under its name, or the old one is there and nothing beside it."""

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

import pytest

from engine import durable

NOTES = re.compile(r"note-\d+\.txt")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leave(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


@pytest.mark.usefixtures("_open_umask")
def test_new_files_and_folders_are_private_under_any_umask(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    durable.make_folder(folder)
    durable.write_file(folder / "note-1.txt", b"secret")
    durable.create_file(folder / "note-2.txt")
    assert [mode_of(path) for path in (tmp_path / "a", folder)] == [0o700, 0o700]
    assert [mode_of(path) for path in sorted(folder.iterdir())] == [0o600, 0o600]


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    durable.make_folder(tmp_path)
    assert mode_of(tmp_path) == 0o755


def test_a_file_where_a_folder_should_be_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    for folder in (tmp_path / "var", tmp_path / "var" / "pictures"):
        with pytest.raises(NotADirectoryError) as caught:
            durable.make_folder(folder)
        assert caught.value.filename == str(tmp_path / "var")


@pytest.mark.parametrize("step", ["mkstemp", "write_bytes", "replace"])
def test_an_error_names_the_file_and_not_its_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object, **options: object) -> None:
        if step == "write_bytes":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a write names no file
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "note-1.txt.abcd1234.part"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(durable.tempfile if step == "mkstemp" else Path, step, refuse)
    with pytest.raises(OSError, match=r"'note-1\.txt'") as caught:
        durable.write_file(Path("note-1.txt"), b"secret")
    assert caught.value.filename == "note-1.txt"
    assert names_in(tmp_path) == []


def test_an_error_about_another_file_names_that_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, durable.replacing(tmp_path / "note-1.txt"):
        (tmp_path / "gone").read_bytes()
    assert caught.value.filename == str(tmp_path / "gone")


def test_the_file_is_synced_then_renamed_and_then_its_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("sync folder" if is_folder else f"sync {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def recorded_replace(draft: Path, path: Path) -> Path:
        steps.append(f"rename to {path.name}")
        return replace(draft, path)

    monkeypatch.setattr(durable.os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    durable.write_file(tmp_path / "note-1.txt", b"12345")
    assert steps == ["sync 5 bytes", "rename to note-1.txt", "sync folder"]


@pytest.mark.parametrize("broken", ["write_bytes", "replace"])
def test_a_failure_keeps_the_old_content_and_removes_the_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "note-1.txt"
    durable.write_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, broken, fail)
    with pytest.raises(OSError, match="No space"):
        durable.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["note-1.txt"]


def test_files_that_sqlite_creates_beside_a_draft_are_removed_with_it(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with durable.replacing(tmp_path / "note-1.txt") as draft:
            leave(tmp_path, f"{draft.name}-wal", f"{draft.name}-shm", f"{draft.name}-journal")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert names_in(tmp_path) == []


def test_two_writers_of_one_file_do_not_interfere(tmp_path: Path) -> None:
    path = tmp_path / "note-1.txt"
    with durable.replacing(path) as first, durable.replacing(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"
    assert names_in(tmp_path) == ["note-1.txt"]


def test_drafts_of_known_files_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours = ("note-1.txt.part", "note-2.txt.abcd_123.part", "note-3.txt.abcdefgh.part-wal")
    others = ("note-1.txt", "thesis.part", "note-4.txt.part.bak", "note-5.txt.toolongname.part")
    leave(tmp_path, *ours, *others)
    (tmp_path / "note-6.txt.part").mkdir()
    (tmp_path / "note-7.txt.part").symlink_to(tmp_path / "note-1.txt")
    assert durable.remove_drafts(tmp_path, NOTES) == 3
    assert names_in(tmp_path) == sorted([*others, "note-6.txt.part", "note-7.txt.part"])


def test_a_young_draft_may_be_in_use_and_is_kept(tmp_path: Path) -> None:
    leave(tmp_path, "note-1.txt.part")
    assert durable.remove_drafts(tmp_path, NOTES, older_than_s=60) == 0
    os.utime(tmp_path / "note-1.txt.part", (1, 1))
    assert durable.remove_drafts(tmp_path, NOTES, older_than_s=60) == 1
    assert durable.remove_drafts(tmp_path / "missing", NOTES) == 0


def test_tightening_changes_the_folder_and_its_own_files_and_follows_no_link(tmp_path: Path) -> None:
    folder, outside = tmp_path / "data", tmp_path / "note-9.txt"
    folder.mkdir()
    folder.chmod(0o755)
    outside.touch()
    outside.chmod(0o644)
    for name in ("note-1.txt", "note-2.txt", "other.txt"):
        (folder / name).touch()
        (folder / name).chmod(0o664)
    (folder / "note-2.txt").chmod(0o600)
    (folder / "note-3.txt").symlink_to(outside)
    os.link(outside, folder / "note-4.txt")
    assert durable.restrict_to_owner(folder, NOTES) == 2  # the folder and one file
    modes = {path.name: oct(mode_of(path)) for path in folder.iterdir() if not path.is_symlink()}
    assert modes == {
        "note-1.txt": "0o600",
        "note-2.txt": "0o600",
        "note-4.txt": "0o644",
        "other.txt": "0o664",
    }
    assert mode_of(folder) == 0o700
    assert mode_of(outside) == 0o644
    assert durable.restrict_to_owner(folder, NOTES) == 0


def test_a_shared_folder_with_the_sticky_bit_stays_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert durable.restrict_to_owner(tmp_path, NOTES) == 0
    assert mode_of(tmp_path) == 0o1777


def test_a_file_is_read_only_if_it_has_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"face")
    assert durable.read_whole(path, hashlib.sha256(b"face").hexdigest()) == b"face"
    assert durable.read_whole(path, hashlib.sha256(b"fade").hexdigest()) is None
    assert durable.read_whole(path, "") == b"face", "no hash is known"
    with pytest.raises(FileNotFoundError):
        durable.read_whole(tmp_path / "b.png", "")
