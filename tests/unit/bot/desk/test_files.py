"""Pictures are complete under their name, or not there."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from bot.desk.files import file_name, name_pictures, picture_folders, save_pictures
from engine.request import Picture


def picture(index: int, png: bytes) -> Picture:
    return Picture(index, seed=5, width_px=8, height_px=8, png=png)


def save(folder: Path, *pictures: Picture) -> list[Path]:
    """Save the pictures of a job, and return their files."""
    rows = name_pictures("1m3250v00shy4w7c", pictures)
    save_pictures(rows, [each.png for each in pictures], folder)
    return [folder / file_name(row) for row in rows]


def fail(_: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_file_has_the_name_of_its_content_and_equal_pictures_are_one_file(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"face").hexdigest()
    files = save(tmp_path, picture(0, b"face"), picture(1, b"face"), picture(2, b"other"))
    assert files[0] == files[1] == tmp_path / sha256[:2] / f"{sha256}.png"
    assert sorted(path.read_bytes() for path in tmp_path.rglob("*.png")) == [b"face", b"other"]


def test_a_damaged_file_is_repaired_by_an_equal_picture(tmp_path: Path) -> None:
    [path] = save(tmp_path, picture(0, b"face"))
    path.write_bytes(b"fade")
    save(tmp_path, picture(0, b"face"))
    assert path.read_bytes() == b"face"


def test_an_equal_picture_is_written_again_so_that_its_time_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, list[int]()

    def count(descriptor: int) -> None:
        calls.append(descriptor)
        fsync(descriptor)

    [path] = save(tmp_path, picture(0, b"face"))
    path.unlink()  # its folder stays, as one of 256
    monkeypatch.setattr("engine.durable.os.fsync", count)
    save(tmp_path, picture(0, b"face"))
    first = len(calls)
    save(tmp_path, picture(0, b"face"))
    assert len(calls) == 2 * first > 0


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [path] = save(tmp_path, picture(0, b"face"))
    monkeypatch.setattr("engine.durable.os.fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        save(tmp_path, picture(0, b"face"))
    assert path.read_bytes() == b"face"
    assert list(path.parent.iterdir()) == [path]


def test_pictures_are_private_and_maintenance_knows_their_names(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        [path] = save(tmp_path / "pictures", picture(3, b"a"))
    finally:
        os.umask(before)
    folders = (path.parent.parent, path.parent)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (*folders, path)] == [0o700, 0o700, 0o600]
    names = picture_folders(tmp_path / "pictures")
    assert list(names) == [*folders]
    assert names[path.parent].fullmatch(path.name)
    assert names[path.parent.parent].fullmatch("1m3250v00shy4w7c-0.png")


def test_only_our_own_subfolders_are_known(tmp_path: Path) -> None:
    (tmp_path / "holidays").mkdir()
    (tmp_path / "ab").symlink_to(tmp_path / "holidays")
    assert list(picture_folders(tmp_path)) == [tmp_path]
    assert list(picture_folders(tmp_path / "none")) == [tmp_path / "none"]
