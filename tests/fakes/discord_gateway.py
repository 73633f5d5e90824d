"""A fake Discord gateway: hello, identify, heartbeats, dispatches with sequence numbers, resume."""

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11

ELSEWHERE = "ws://127.0.0.1:9/gateway"  # nobody listens there: the bot must resume at its own


@dataclass
class Session:
    """One session; it outlives its connections and keeps the dispatched events for a resume."""

    session_id: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, data: Any) -> dict[str, Any]:
        event = {"op": DISPATCH, "s": len(self.events) + 1, "t": name, "d": data}
        self.events.append(event)
        return event


class Connection:
    """One websocket with the compression that the client requested."""

    def __init__(self, socket: web.WebSocketResponse, compress: str) -> None:
        self.socket = socket
        self.is_silent = False
        self._deflate = zlib.compressobj() if compress == "zlib-stream" else None

    async def send(self, payload: dict[str, Any]) -> None:
        if not self.is_silent:
            await self.send_text(json.dumps(payload))

    async def send_text(self, text: str) -> None:
        if self._deflate is None:
            await self.socket.send_str(text)
            return
        await self.socket.send_bytes(
            self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        )


class FakeGateway:
    """Records what the client sent: ``identified``, ``resumed``, ``heartbeats``, ``compressions``."""

    def __init__(self, token: str, ready: dict[str, Any]) -> None:
        self.token = token
        self.url = ""
        self.heartbeat_ms = 41_250
        self.refuse_identify = False
        self.is_silent = False
        self.repeats = 0  # events that a resume sends a second time
        self.connections: list[Connection] = []
        self.identified: list[dict[str, Any]] = []
        self.resumed: list[dict[str, Any]] = []
        self.heartbeats: list[int | None] = []
        self.compressions: list[str] = []
        self._ready = ready
        self._sessions: dict[str, Session] = {}
        self._session: Session | None = None
        self._connection: Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a client has a session and a socket."""
        return self._connection is not None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.compressions.append(request.query.get("compress", ""))
        connection = Connection(socket, self.compressions[-1])
        self.connections.append(connection)
        await connection.send(
            {"op": HELLO, "s": None, "t": None, "d": {"heartbeat_interval": self.heartbeat_ms}}
        )
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._handle_frame(connection, json.loads(message.data))
        self.connections.remove(connection)
        if self._connection is connection:
            self._connection = None
        return socket

    async def dispatch(self, name: str, data: Any) -> None:
        """Send an event; without a connection it is kept for the resume."""
        assert self._session is not None, "nobody has identified"
        event = self._session.add(name, data)
        if self._connection is not None:
            await self._connection.send(event)

    async def send_frame(self, text: str) -> None:
        """Send any text as a frame."""
        assert self._connection is not None
        await self._connection.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes without compression."""
        assert self._connection is not None
        await self._connection.socket.send_bytes(data)

    async def ask_to_reconnect(self) -> None:
        """Op 7: ask the client to reconnect and resume."""
        await self._send({"op": RECONNECT, "s": None, "t": None, "d": None})

    async def invalidate(self, *, resumable: bool) -> None:
        """Op 9: end the session, or let the client resume it."""
        if not resumable:
            self._sessions.clear()
        await self._send({"op": INVALID_SESSION, "s": None, "t": None, "d": resumable})

    async def drop(self) -> None:
        """Abort the connection without a close frame."""
        connection, self._connection = self._connection, None
        if (
            connection is not None
            and connection.socket._req is not None
            and connection.socket._req.transport is not None
        ):
            connection.socket._req.transport.abort()

    def fall_silent(self) -> None:
        """Keep the connection open but send nothing more, not even acknowledgements of heartbeats."""
        if self._connection is not None:
            self._connection.is_silent = True
            self._connection = None

    async def refuse(self, code: int) -> None:
        """Close the connection with a code, as for a token that was replaced (4004)."""
        if self._connection is not None:
            await self._connection.socket.close(code=code)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.socket.close()

    async def _send(self, payload: dict[str, Any]) -> None:
        assert self._connection is not None
        await self._connection.send(payload)

    async def _handle_frame(self, connection: Connection, payload: dict[str, Any]) -> None:
        data = payload.get("d")
        match payload["op"]:
            case 1:
                self.heartbeats.append(data)
                await connection.send({"op": ACK, "s": None, "t": None, "d": None})
            case 2:
                await self._identify(connection, data)
            case 6:
                await self._resume(connection, data)

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if self.is_silent:
            return
        if self.refuse_identify or data["token"] != self.token:
            await connection.socket.close(code=4004)
            return
        self.identified.append(data)
        session = Session(f"session-{len(self.identified)}")
        self._sessions[session.session_id] = session
        self._session, self._connection = session, connection
        ready = {**self._ready, "session_id": session.session_id, "resume_gateway_url": ELSEWHERE}
        await connection.send(session.add("READY", ready))

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        self.resumed.append(data)
        session = self._sessions.get(data["session_id"])
        if session is None:
            await connection.send({"op": INVALID_SESSION, "s": None, "t": None, "d": False})
            return
        missed = session.events[max(1, data["seq"] - self.repeats) :]  # READY is not repeated
        self._session, self._connection = session, connection
        for event in missed:
            await connection.send(event)
        await connection.send(session.add("RESUMED", {}))


async def until(condition: Any, timeout_s: float = 30.0) -> Any:
    """Return ``condition()`` once it is true; raise TimeoutError if that takes too long."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):  # noqa: ASYNC110 - a condition is anything that a test can see
            await asyncio.sleep(0.005)
    return value
