"""Pictures are complete under their name, or not there."""

from pathlib import Path

import pytest

from bot.desk import files
from bot.desk.files import save_pictures
from engine.request import Picture


def picture(index: int, png: bytes) -> Picture:
    return Picture(index, seed=5, width_px=8, height_px=8, png=png)


def test_a_later_try_replaces_the_files_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    save_pictures("job", [picture(0, b"old"), picture(1, b"old")], folder)
    rows = save_pictures("job", [picture(0, b"new")], folder)
    assert [(row.job, row.idx, row.seed, row.file_name) for row in rows] == [("job", 0, 5, "job-0.png")]
    assert (folder / "job-0.png").read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pictures("job", [picture(0, b"old")], tmp_path)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        save_pictures("job", [picture(0, b"new")], tmp_path)
    assert (tmp_path / "job-0.png").read_bytes() == b"old"
