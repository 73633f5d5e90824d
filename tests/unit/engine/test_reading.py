"""Reading stretches of a file."""

import os
from pathlib import Path

import pytest

from engine.reading import read_fully, read_into


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    return path


def test_a_buffer_is_filled_also_when_the_system_returns_few_bytes_at_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, parts, offset: preadv(fd, [parts[0][:7]], offset))
    buffer = bytearray(50)
    with file.open("rb", buffering=0) as opened:
        read_fully(opened.fileno(), memoryview(buffer), 10)
        assert opened.tell() == 0
    assert buffer == bytes(range(10, 60))


def test_a_range_beyond_the_end_is_short_or_an_error(file: Path) -> None:
    with file.open("rb", buffering=0) as opened:
        assert read_into(opened.fileno(), memoryview(bytearray(50)), 80) == 20
        with pytest.raises(OSError, match="shorter"):
            read_fully(opened.fileno(), memoryview(bytearray(50)), 80)
