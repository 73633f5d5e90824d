"""A site on 127.0.0.1 that answers as a test says, and records what it was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeSite:
    """Records (host, path with query, authorization) of each request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str, str]] = []
        self.port = 0

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = (request.host or "").rpartition(":")[0]
        self.asked.append((name, request.path_qs, request.headers.get("Authorization", "")))
        return await self._answer(request)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FakeSite"]:
        server = web.Server(self._handle)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


class Loopback(AbstractResolver):
    """Finds every name at 127.0.0.1."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}
        return [ResolveResult(**found)]

    async def close(self) -> None:
        pass
