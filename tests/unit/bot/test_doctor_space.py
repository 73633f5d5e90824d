"""The doctor says that a full disk is wrong, and a low one is worth knowing."""

from collections import namedtuple
from pathlib import Path

import pytest

from bot import doctor
from bot.settings import Settings

GIB = 2**30
Usage = namedtuple("Usage", "total used free")  # as shutil.disk_usage returns it


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [
        (0, doctor.State.WRONG),
        (GIB // 4 - 1, doctor.State.WRONG),
        (GIB, doctor.State.NOTE),
        (9 * GIB, doctor.State.FINE),
    ],
)
def test_free_space_is_judged_by_what_drawing_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, state: doctor.State
) -> None:
    monkeypatch.setattr("bot.desk.files.shutil.disk_usage", lambda _: Usage(100 * GIB, 0, free_bytes))
    [finding] = doctor._folder(Settings(data_dir=tmp_path))
    assert finding.state is state
    assert ("storage.reserve_mib" in finding.sentence) == (state is doctor.State.WRONG)
