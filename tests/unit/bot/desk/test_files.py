"""Pictures are complete under their name, or not there."""

import os
import stat
from pathlib import Path

import pytest

from bot.desk.files import PICTURE_NAMES, save_pictures
from engine.request import Picture


def picture(index: int, png: bytes) -> Picture:
    return Picture(index, seed=5, width_px=8, height_px=8, png=png)


def test_a_later_attempt_replaces_the_files_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    save_pictures("job", [picture(0, b"old"), picture(1, b"old")], folder)
    rows = save_pictures("job", [picture(0, b"new")], folder)
    assert [(row.job, row.idx, row.seed, row.file_name) for row in rows] == [("job", 0, 5, "job-0.png")]
    assert (folder / "job-0.png").read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pictures("job", [picture(0, b"old")], tmp_path)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("engine.durable.os.fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        save_pictures("job", [picture(0, b"new")], tmp_path)
    assert (tmp_path / "job-0.png").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["job-0.png"]


def test_a_disk_that_fills_up_between_two_pictures_leaves_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, list[int]()

    def fill_up(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 2:  # the first picture and its folder are through
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("engine.durable.os.fsync", fill_up)
    with pytest.raises(OSError, match="No space"):
        save_pictures("job", [picture(0, b"a"), picture(1, b"b")], tmp_path / "pictures")
    assert list((tmp_path / "pictures").iterdir()) == []


def test_pictures_are_private_and_maintenance_knows_their_names(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        [row] = save_pictures("1m3250v00shy4w7c", [picture(3, b"a")], tmp_path / "pictures")
    finally:
        os.umask(before)
    path = tmp_path / "pictures" / row.file_name
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path)] == [0o700, 0o600]
    assert PICTURE_NAMES.fullmatch(row.file_name)


def test_the_first_error_is_raised_even_if_a_written_picture_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(path: Path, _: bytes) -> None:
        if path.name == "job-1.png":  # somebody makes room by hand at the same moment
            (tmp_path / "job-0.png").unlink()
            raise OSError(28, "No space left on device")
        path.write_bytes(b"a")

    monkeypatch.setattr("bot.desk.files.write_file", fill_up)
    with pytest.raises(OSError, match="No space"):
        save_pictures("job", [picture(0, b"a"), picture(1, b"b")], tmp_path)
