"""The web chat's life: bind, build the page, serve, close. Gradio is imported in ``open``, in a thread."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.chats.contract import Desk
from bot.chats.web_.card import CardView
from bot.chats.web_.talks import Talks
from bot.desk.outcomes import Parcel, Platform, Status
from bot.errors import PortTaken

if TYPE_CHECKING:
    from bot.chats.web_.server import PageServer


class WebChat:
    """Implements ``bot.chats.contract.Chat`` as a page on this machine.

    Args:
        desk: Takes what people type.
        card: Reads the card for the panel, about once a second for each page; must not block.
        host: A loopback name or address.
        port: 0 takes any free one.
    """

    platform = Platform.WEB

    def __init__(self, desk: Desk, *, card: Callable[[], CardView], host: str, port: int) -> None:
        self._talks = Talks(desk, card)
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._server: PageServer | None = None
        self._end_streams: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Where the page is, once it is open."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    async def open(self) -> None:
        """Bind the port, then build and serve the page.

        Raises:
            PortTaken: Another program listens there; the host chooses another port.
        """
        self._listener = listener = _bind(self._host, self._port)
        self._port = listener.getsockname()[1]
        server, self._end_streams = await asyncio.to_thread(
            asyncio.run, _build(self._talks, listener, self._host)
        )
        self._server = server
        await server.start()

    async def serve(self) -> None:
        """Serve until cancelled."""
        if self._server:
            await self._server.wait()

    async def close(self) -> None:
        """Let every open page go and free the port."""
        self._talks.close_all()
        self._end_streams()
        if self._server:
            await self._server.stop()
        if self._listener:
            self._listener.close()

    async def show(self, status: Status) -> None:
        """Tell the page, if it is still open."""
        if talk := self._talks.find(status.address.chat_id):
            talk.show(status)

    async def deliver(self, parcel: Parcel) -> None:
        """Show the pictures, if the page is still open; else they wait in the history, for /mine."""
        if talk := self._talks.find(parcel.address.chat_id):
            talk.deliver(parcel)


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


async def _build(talks: Talks, listener: socket.socket, host: str) -> "tuple[PageServer, Callable[[], None]]":
    """Import Gradio and put the application together; takes about four seconds, so it runs in a thread.

    A coroutine, because Gradio gives a thread without an event loop one that it never closes.
    """
    from bot.chats.web_.page import mount_page  # noqa: PLC0415 - Gradio takes seconds to import
    from bot.chats.web_.server import PageServer, make_app  # noqa: PLC0415 - FastAPI likewise

    app = make_app(talks, host)
    return PageServer(app, listener), mount_page(app, talks)
