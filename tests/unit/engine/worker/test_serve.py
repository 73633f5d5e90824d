"""The environment that the worker sets before it imports a library."""

import os
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.worker import serve


@pytest.mark.parametrize("given", [None, "/elsewhere"])
def test_kernels_are_kept_below_the_data_folder_unless_the_host_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str | None
) -> None:
    environ = {} if given is None else {"TRITON_CACHE_DIR": given}
    monkeypatch.setattr(os, "environ", environ)
    monkeypatch.chdir(tmp_path)
    serve._prepare_process(EngineConfig(Path("data"), Path("loras"), device="cuda"))
    assert environ["TRITON_CACHE_DIR"] == (given or str(tmp_path / "data" / "triton"))
