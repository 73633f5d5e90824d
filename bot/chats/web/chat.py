"""Opens, serves and closes the page. ``open`` imports Starlette, uvicorn and Jinja in a thread."""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bot.chats.contract import Desk
from bot.chats.web.desk_client import DeskClient
from bot.chats.web.operator.logins import OperatorLogins
from bot.chats.web.operator.sources import OperatorSources
from bot.chats.web.panel import CardPanel
from bot.chats.web.sessions import Sessions
from bot.errors import PackageMissing, PortTaken
from bot.monitoring.monitor import Monitor
from bot.outcomes import Alert, JobResult, OwnerReport, PictureMessage, Platform, Status, Undeliverable
from bot.settings import PasswordHash

if TYPE_CHECKING:
    from bot.chats.web.server import PageServer

RELEASE_EVERY_S = 600.0  # between searches for idle sessions


class WebChat:
    """Implements ``bot.chats.contract.Chat`` as a page on this machine.

    Args:
        desk: Receives the commands.
        card: Reads the card for the panel, about once a second for each tab; must not block.
        monitor: Answers /livez, /readyz and /metrics; without it, the page has no such routes.
        password: Returns what opens the operator tab now; None: the tab says how to set one.
        sources: What that tab reads from memory.
        host: A loopback name or address.
        port: 0 means any free port.
    """

    platform = Platform.WEB

    def __init__(
        self,
        desk: Desk,
        *,
        card: Callable[[], CardPanel],
        monitor: Monitor | None = None,
        password: Callable[[], PasswordHash | None] = lambda: None,
        sources: OperatorSources | None = None,
        host: str,
        port: int,
    ) -> None:
        self._sessions = Sessions()
        self._desk_client = DeskClient(desk)
        self._card = card
        self._monitor = monitor
        self._logins = OperatorLogins(password)
        self._sources = sources or OperatorSources()
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._server: PageServer | None = None

    @property
    def url(self) -> str:
        """The address of the open page."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    async def open(self) -> None:
        """Bind the port, build the page and start to serve it.

        Raises:
            PortTaken: Another program uses the port.
            PackageMissing: The extra ``web`` is not installed.
        """
        self._listener = listener = _bind(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = await asyncio.to_thread(self._build, listener)
        await self._server.start()

    @property
    def is_connected(self) -> bool:
        """Always: the page needs no platform."""
        return True

    async def serve(self) -> None:
        """Serve until cancelled, and release idle sessions."""
        if self._server is None:
            return
        server = asyncio.create_task(self._server.wait(), name="web page")
        try:
            while not server.done():
                await asyncio.wait({server}, timeout=RELEASE_EVERY_S)
                self._sessions.release_idle()
            await server
        finally:
            server.cancel()

    async def close(self) -> None:
        """Close every open page and free the port."""
        self._desk_client.close()
        self._sessions.close()
        if self._server:
            await self._server.stop()
        if self._listener:
            self._listener.close()

    async def show(self, status: Status) -> None:
        """Show a job's progress if its session is open."""
        if conversation := self._sessions.find(status.address.chat_id):
            conversation.show(status)

    async def deliver(self, result: JobResult) -> None:
        """Show the pictures if their session is open; otherwise /mine finds them."""
        if conversation := self._sessions.find(result.address.chat_id):
            conversation.deliver(result)

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        """Do nothing: no messages are stored here."""
        return ()

    async def send_report(self, report: OwnerReport) -> None:
        """Refuse: the page has no place of a person.

        Raises:
            Undeliverable: Always.
        """
        raise Undeliverable("the page shows no reports")

    async def send_alert(self, alert: Alert) -> None:
        """Refuse, as for a report."""
        raise Undeliverable("the page shows no alerts")

    def _build(self, listener: socket.socket) -> "PageServer":
        """Import the page's packages and build the page; it blocks, so it runs in a thread."""
        try:
            from bot.chats.web.middleware import SecurityMiddleware  # noqa: PLC0415 - Starlette takes 0.1 s
            from bot.chats.web.operator.routes import OperatorRoutes  # noqa: PLC0415
            from bot.chats.web.routes import (  # noqa: PLC0415 - and Jinja
                PageRoutes,
                create_app,
                monitoring_routes,
            )
            from bot.chats.web.server import PageServer  # noqa: PLC0415 - and uvicorn
        except ModuleNotFoundError as error:
            raise PackageMissing(platform=self.platform, package=error.name or "") from error
        cookie, monitor = f"sugarbot_{self._port}", self._monitor
        pages = PageRoutes(self._sessions, self._desk_client, self._card, cookie, self._logins)
        operator = OperatorRoutes(pages, self._logins, self._desk_client, self._sources, self._card)
        app = create_app(pages, [*operator.routes(), *(monitoring_routes(monitor) if monitor else ())])
        return PageServer(SecurityMiddleware(app, host=self._host, port=self._port), listener)


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
