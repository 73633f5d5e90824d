"""A look at the shelf's folders notices what has changed, once it has settled."""

import os
from pathlib import Path

from engine.shelf import FolderChanges


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_new_file_counts_at_the_second_look(tmp_path: Path) -> None:
    changes = FolderChanges([tmp_path])
    assert changes.look()  # the first one: nothing was read before
    write(tmp_path / "deep" / "a.safetensors", b"1")
    assert not changes.look()
    assert changes.unsettled == {tmp_path / "deep" / "a.safetensors"}
    assert changes.look()
    assert not changes.unsettled
    assert not changes.look()


def test_files_that_are_there_at_the_first_look_are_settled(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", b"1")
    changes = FolderChanges([tmp_path])
    assert changes.look()
    assert not changes.unsettled, "the shelf would be empty until the second look"


def test_a_file_that_grows_waits_and_holds_up_no_other(tmp_path: Path) -> None:
    changes = FolderChanges([tmp_path])
    changes.look()
    growing = tmp_path / "growing.safetensors"
    write(growing, b"1")
    changes.look()
    write(growing, b"12")
    write(tmp_path / "other.safetensors", b"1")
    assert not changes.look()
    write(growing, b"123")
    assert changes.look()
    assert changes.unsettled == {growing}
    assert changes.look()
    assert not changes.unsettled


def test_a_removed_a_renamed_and_a_rewritten_file_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path, b"1")
    changes = FolderChanges([tmp_path, tmp_path / "nowhere"])
    assert [changes.look(), changes.look(), changes.look()] == [True, False, False]
    path.rename(tmp_path / "b.safetensors")
    assert changes.look()  # the old name is gone at once
    assert changes.look()
    os.utime(tmp_path / "b.safetensors", ns=(1, 1))
    assert changes.look()
    assert changes.look()
    (tmp_path / "b.safetensors").unlink()
    assert changes.look()
    assert not changes.look()


def test_new_rights_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path, b"1")
    changes = FolderChanges([tmp_path])
    changes.look()
    path.chmod(
        0o600 if path.stat().st_mode & 0o077 else 0o644
    )  # a file that nobody could read is repaired so
    assert changes.look()
    assert changes.look()


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, shelf = tmp_path / "outside", tmp_path / "shelf"
    write(outside / "a.safetensors", b"1")
    shelf.mkdir()
    (shelf / "link").symlink_to(outside)
    changes = FolderChanges([shelf])
    changes.look()
    changes.look()
    write(outside / "a.safetensors", b"12")
    assert not changes.look()
    assert not changes.unsettled
