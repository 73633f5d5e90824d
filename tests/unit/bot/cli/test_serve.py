"""A signal stops the application at any time, and a stop is no error."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.cli import runner, serve
from bot.desk.loras.shelf import LoraShelf
from bot.settings import Settings, SettingsFiles
from engine.errors import LoraRejected
from engine.shelf import LoraFile, Shelf


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_signal_stops_an_application_that_still_opens(
    command: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    @asynccontextmanager
    async def open_application(settings: Settings, **_: object) -> AsyncIterator[None]:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()  # like a long download
            yield
        finally:
            closed.append(True)

    monkeypatch.setattr(serve, "open_application", open_application)
    work = {"run": lambda: serve.run(Settings(), SettingsFiles()), "demo": lambda: serve.demo(Settings())}
    code = runner.run(work[command], stop_code=0, exit_process=pytest.fail)  # type: ignore[arg-type]
    assert code == 0
    assert closed


async def test_a_bot_that_serves_collects_only_garbage_of_its_own_time() -> None:
    """The first collections after a start look at few objects, so that they come soon and take no time."""
    application = SimpleNamespace(store=SimpleNamespace(respond=None))
    try:
        with pytest.raises(AttributeError):  # this application has no host, about which a manager would hear
            await serve._serve_until_stopped(application)  # type: ignore[arg-type]
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()


async def test_a_cancellation_without_a_signal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def open_application(settings: Settings) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(serve, "open_application", open_application)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await serve.run(Settings(), SettingsFiles())


@pytest.mark.parametrize(
    ("message", "default", "tried"),
    [
        ('/sugar a --lora "My LoRA v1.2:0.5" <lora:old>', "", ["My LoRA v1.2"]),
        ("/lora switch my lora v1.2 0.8", "", ["My LoRA v1.2"]),
        ("a face", "my lora v1.2", ["My LoRA v1.2"]),
        ("a face", "", []),
        ("/nonsense", "", []),
    ],
)
async def test_a_message_of_the_shell_tries_out_the_new_loras_that_it_needs(
    message: str, default: str, tried: list[str]
) -> None:
    files = {name: LoraFile(name, Path(name), name[0] * 64, 1, 8) for name in ("My LoRA v1.2", "other")}
    found: list[str] = []

    async def try_out(file: LoraFile) -> None:
        found.append(file.name)
        raise LoraRejected

    parts = SimpleNamespace(
        shelf=LoraShelf(Shelf({}, checking=files)), files=SimpleNamespace(try_out=try_out)
    )
    await serve._try_out_named(SimpleNamespace(desk=SimpleNamespace(parts=parts)), message, default)  # type: ignore[arg-type]
    assert found == tried
