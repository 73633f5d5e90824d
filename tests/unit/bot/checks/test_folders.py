"""A folder is checked before work begins."""

import errno
import tempfile
from pathlib import Path

import pytest

from bot.checks.folders import require_writable
from bot.messages import format_error


def test_an_existing_or_creatable_folder_is_writable(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_a_relative_folder_is_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_writable(Path("out"))


@pytest.mark.parametrize("below", [False, True])
def test_a_file_is_no_folder(below: bool, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.touch()
    folder = file / "out" if below else file
    with pytest.raises(NotADirectoryError) as caught:
        require_writable(folder)
    assert caught.value.filename == str(folder)
    assert format_error(caught.value, "zh-CN").startswith(f"{folder} 无法使用：它不是文件夹。")
    assert format_error(caught.value, "en").startswith(f"{folder} can't be used: it is not a folder.")


def test_a_folder_that_is_not_writable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "/some/other/name")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        require_writable(tmp_path / "out")
    assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(tmp_path / "out"))


def test_a_dangling_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        require_writable(tmp_path / "link")
