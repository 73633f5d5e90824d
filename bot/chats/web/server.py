"""uvicorn on a bound socket, in the bot's event loop, with limits on time and number of connections."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.chats.web.middleware import MAX_HEAD_BYTES

GRACE_S = 2  # for open requests at a stop of the bot
START_TIMEOUT_S = 20.0
HEAD_TIMEOUT_S = 10.0  # from a connection to the end of its request's headers; uvicorn itself has no limit
KEEP_ALIVE_S = 5
MAX_CONNECTIONS = 256


class _Protocol(H11Protocol):
    """HTTP/1.1 that closes connections without a complete request head in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Receive bytes; the timer runs until they form a complete head."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:  # further bytes of the same head do not extend the time
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._head_timer = None
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the bot."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do not capture signals."""
        yield


class PageServer:
    """One HTTP server on one listening socket."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        limits: dict[str, Any] = {
            "limit_concurrency": MAX_CONNECTIONS,
            # Above MAX_HEAD_BYTES: a head that is too long is refused in our words though it comes in pieces.
            "h11_max_incomplete_event_size": 2 * MAX_HEAD_BYTES,
            "timeout_keep_alive": KEEP_ALIVE_S,
            "timeout_graceful_shutdown": GRACE_S,
        }
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # a local program could fill the log with warnings of malformed requests
            access_log=False,
            server_header=False,
            proxy_headers=False,
            **limits,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server; return when it accepts requests."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="web page server")
        async with asyncio.timeout(START_TIMEOUT_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.02)

    async def wait(self) -> None:
        """Return or raise when the server ends; a cancellation does not stop it."""
        if self._task:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Finish open requests, then stop the server."""
        self._server.should_exit = True
        if self._task:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * GRACE_S + 1):
                    await self._task
