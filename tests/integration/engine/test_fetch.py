"""A download runs in its own process, which ends as soon as the download is cancelled."""

import asyncio
import socket
import time
from pathlib import Path

import psutil
import pytest

from engine.checkpoint.fetch import fetch_model
from engine.config import EngineConfig
from engine.errors import ModelUnreachable


def a_config(folder: Path) -> EngineConfig:
    return EngineConfig(folder, folder / "loras", model="owner/model", revision="0" * 40)


async def test_a_built_in_model_starts_no_process(tmp_path: Path) -> None:
    assert (await fetch_model(EngineConfig(tmp_path, tmp_path))).native_width_px == 128


async def test_a_hub_that_refuses_is_the_same_error_as_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(ModelUnreachable, match="ConnectError"):
            await fetch_model(a_config(tmp_path))


async def test_a_download_that_hangs_ends_within_seconds_when_it_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as hub:
        hub.bind(("127.0.0.1", 0))
        hub.listen()
        hub.setblocking(False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        others = psutil.Process().children()  # of tests that this process ran before
        fetching = asyncio.create_task(fetch_model(a_config(tmp_path)), name="fetch")
        connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(hub), 30)
        with connection:
            children = [child for child in psutil.Process().children() if child not in others]
            assert children
            began_s = time.monotonic()
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetching
            assert time.monotonic() - began_s < 20  # the hub never answers
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]
