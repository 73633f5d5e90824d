"""A signal stops the application at any time, and a stop is no error."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bot.cli import runner, serve
from bot.settings import Settings


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", [serve.run, serve.demo])
def test_a_signal_stops_an_application_that_still_opens(
    work: Callable[[Settings], Awaitable[int]], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
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
    code = runner.run(lambda: work(Settings()), stop_code=0, exit_process=pytest.fail)  # type: ignore[arg-type, return-value]
    assert code == 0
    assert closed


async def test_a_cancellation_without_a_signal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def open_application(settings: Settings) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(serve, "open_application", open_application)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await serve.run(Settings())
