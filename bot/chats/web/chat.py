"""Opens, serves and closes the page. Starlette, uvicorn and Jinja are imported in ``open``, in a thread."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.chats.contract import Desk
from bot.chats.web.card import CardView
from bot.chats.web.sessions import Sessions
from bot.chats.web.talks import Talks
from bot.errors import PackageMissing, PortTaken
from bot.outcomes import JobResult, Platform, Status

if TYPE_CHECKING:
    from bot.chats.web.server import PageServer

RELEASE_EVERY_S = 600.0  # how often idle sessions are looked for


class WebChat:
    """Implements ``bot.chats.contract.Chat`` as a page on this machine.

    Args:
        desk: Takes what people type.
        card: Reads the card for the panel, about once a second for each tab; must not block.
        host: A loopback name or address.
        port: 0 takes any free one.
    """

    platform = Platform.WEB

    def __init__(self, desk: Desk, *, card: Callable[[], CardView], host: str, port: int) -> None:
        self._sessions = Sessions()
        self._talks = Talks(desk)
        self._card = card
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._server: PageServer | None = None

    @property
    def url(self) -> str:
        """Where the page is, once it is open."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    async def open(self) -> None:
        """Bind the port, then build and serve the page.

        Raises:
            PortTaken: Another program listens there; the host chooses another port.
            PackageMissing: The extra ``web`` is not installed.
        """
        self._listener = listener = _bind(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = await asyncio.to_thread(self._build, listener)
        await self._server.start()

    async def serve(self) -> None:
        """Serve until cancelled, and release sessions that nobody uses any more."""
        if self._server is None:
            return
        serving = asyncio.create_task(self._server.wait(), name="web page serves")
        try:
            while not serving.done():
                await asyncio.wait({serving}, timeout=RELEASE_EVERY_S)
                self._sessions.release_idle()
            await serving
        finally:
            serving.cancel()

    async def close(self) -> None:
        """End every open page and free the port."""
        self._sessions.close()
        if self._server:
            await self._server.stop()
        if self._listener:
            self._listener.close()

    async def show(self, status: Status) -> None:
        """Show where a job stands, if its session is open."""
        if talk := self._sessions.find(status.address.chat_id):
            talk.show(status)

    async def deliver(self, result: JobResult) -> None:
        """Show the pictures, if their session is open; else they wait in the history, for /mine."""
        if talk := self._sessions.find(result.address.chat_id):
            talk.deliver(result)

    def _build(self, listener: socket.socket) -> "PageServer":
        """Import what the page needs and put it together; blocks for a moment, so it runs in a thread."""
        try:
            from bot.chats.web.guard import Guard  # noqa: PLC0415 - Starlette takes 0.1 s
            from bot.chats.web.routes import Pages, make_app  # noqa: PLC0415 - and Jinja
            from bot.chats.web.server import PageServer  # noqa: PLC0415 - and uvicorn
        except ModuleNotFoundError as error:
            raise PackageMissing(platform=self.platform, package=error.name or "") from error
        pages = Pages(self._sessions, self._talks, self._card, cookie=f"sugarbot_{self._port}")
        return PageServer(Guard(make_app(pages), host=self._host, port=self._port), listener)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTaken(host=host, port=port) from error
        raise
    return listener
