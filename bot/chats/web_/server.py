"""HTTP on loopback, in the house's own event loop: the page, and the pictures that open pages show."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.chats.web_.talks import Talks
from bot.chats.web_.view import STRIP

GRACE_S = 2  # for open requests when the bot stops
START_TIMEOUT_S = 20.0
CONTENT_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'"
"""Gradio's own page needs inline and evaluated scripts; all of them come from this machine."""
PAGE_CSS = Path(__file__).with_name("page.css")


class _OwnMachineOnly:
    """Tells the browser to load nothing from elsewhere, and other sites not to frame the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = CONTENT_POLICY
            await send(message)

        await self._app(scope, receive, send_guarded)


class _Server(uvicorn.Server):
    """uvicorn, but Ctrl-C stays with the house."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        yield


def make_app(talks: Talks, host: str) -> FastAPI:
    """The application beneath the page: pictures, the style sheet, and no host name but this machine's."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(_OwnMachineOnly)
    # A foreign site can point its own name at 127.0.0.1; the browser then sends that name, and is refused.
    own_names = [host, f"[{host}]", "127.0.0.1", "localhost"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=own_names)

    @app.get("/page.css")
    async def style() -> FileResponse:
        """The page's look; served by itself because Gradio rewrites, and breaks, style sheets it is given."""
        return FileResponse(PAGE_CSS, media_type="text/css", headers={"Cache-Control": "no-cache"})

    @app.get("/strip.png")
    async def strip() -> FileResponse:
        """What an empty page shows of the LoRAs."""
        return FileResponse(STRIP, media_type="image/png", headers={"Cache-Control": "no-cache"})

    @app.get("/pictures/{session}/{job_id}/{index}.png")
    async def picture(session: str, job_id: str, index: int) -> FileResponse:
        """A picture of a page that is open; its session is a secret that only this page knows."""
        found = talks.picture(session, job_id, index)
        if found is None or not await asyncio.to_thread(Path.is_file, found.path):
            raise HTTPException(404)
        return FileResponse(
            found.path,
            media_type="image/png",
            filename=f"sugarbot-{job_id}-{index + 1}.png",
            content_disposition_type="inline",
            headers={"Cache-Control": "private, max-age=86400"},
        )

    return app


class PageServer:
    """One uvicorn server on a socket that is bound already."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Answer requests; returns once the first one can be answered."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="web page server")
        async with asyncio.timeout(START_TIMEOUT_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.02)

    async def wait(self) -> None:
        """Return, or raise, when the server ends; being cancelled leaves it running."""
        if self._task:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End open streams, then the server."""
        self._server.should_exit = True
        if self._task:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * GRACE_S + 1):
                    await self._task
