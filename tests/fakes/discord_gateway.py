"""A Discord gateway over a socket: hello, identify, heartbeats, dispatches with sequence numbers, resume."""

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11

ELSEWHERE = "ws://127.0.0.1:9/gateway"  # a gateway that was set is kept to; nobody listens there


@dataclass
class Session:
    """One session; it outlives its sockets and keeps what was dispatched, for resuming."""

    session_id: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, data: Any) -> dict[str, Any]:
        event = {"op": DISPATCH, "s": len(self.events) + 1, "t": name, "d": data}
        self.events.append(event)
        return event


class Line:
    """One socket, compressed as the client asked."""

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
    """What the client said is kept: ``identified``, ``resumed``, ``heartbeats``, ``compressions``."""

    def __init__(self, token: str, ready: dict[str, Any]) -> None:
        self.token = token
        self.url = ""
        self.heartbeat_ms = 41_250
        self.refuse_identify = False
        self.is_silent = False
        self.repeats = 0  # events that a resume sends once more
        self.lines: list[Line] = []
        self.identified: list[dict[str, Any]] = []
        self.resumed: list[dict[str, Any]] = []
        self.heartbeats: list[int | None] = []
        self.compressions: list[str] = []
        self._ready = ready
        self._sessions: dict[str, Session] = {}
        self._session: Session | None = None
        self._line: Line | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a client has a session and a socket."""
        return self._line is not None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.compressions.append(request.query.get("compress", ""))
        line = Line(socket, self.compressions[-1])
        self.lines.append(line)
        await line.send({"op": HELLO, "s": None, "t": None, "d": {"heartbeat_interval": self.heartbeat_ms}})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._hear(line, json.loads(message.data))
        self.lines.remove(line)
        if self._line is line:
            self._line = None
        return socket

    async def dispatch(self, name: str, data: Any) -> None:
        """Send an event; while the client is away it is kept for the resume."""
        assert self._session is not None, "nobody has identified"
        event = self._session.add(name, data)
        if self._line is not None:
            await self._line.send(event)

    async def send_frame(self, text: str) -> None:
        """Send a frame that may be anything."""
        assert self._line is not None
        await self._line.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes that nobody compressed."""
        assert self._line is not None
        await self._line.socket.send_bytes(data)

    async def ask_to_reconnect(self) -> None:
        """Op 7: come back and resume."""
        await self._say({"op": RECONNECT, "s": None, "t": None, "d": None})

    async def invalidate(self, *, resumable: bool) -> None:
        """Op 9: the session is over, or may be resumed."""
        if not resumable:
            self._sessions.clear()
        await self._say({"op": INVALID_SESSION, "s": None, "t": None, "d": resumable})

    async def drop(self) -> None:
        """Cut the line without a word."""
        line, self._line = self._line, None
        if line is not None and line.socket._req is not None and line.socket._req.transport is not None:
            line.socket._req.transport.abort()

    def fall_silent(self) -> None:
        """Send nothing more on the present line, not even acknowledgements of heartbeats; keep it open."""
        if self._line is not None:
            self._line.is_silent = True
            self._line = None

    async def refuse(self, code: int) -> None:
        """Close the line with a code, as for a token that was replaced (4004)."""
        if self._line is not None:
            await self._line.socket.close(code=code)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.socket.close()

    async def _say(self, payload: dict[str, Any]) -> None:
        assert self._line is not None
        await self._line.send(payload)

    async def _hear(self, line: Line, payload: dict[str, Any]) -> None:
        data = payload.get("d")
        match payload["op"]:
            case 1:
                self.heartbeats.append(data)
                await line.send({"op": ACK, "s": None, "t": None, "d": None})
            case 2:
                await self._identify(line, data)
            case 6:
                await self._resume(line, data)

    async def _identify(self, line: Line, data: dict[str, Any]) -> None:
        if self.is_silent:
            return
        if self.refuse_identify or data["token"] != self.token:
            await line.socket.close(code=4004)
            return
        self.identified.append(data)
        session = Session(f"session-{len(self.identified)}")
        self._sessions[session.session_id] = session
        self._session, self._line = session, line
        ready = {**self._ready, "session_id": session.session_id, "resume_gateway_url": ELSEWHERE}
        await line.send(session.add("READY", ready))

    async def _resume(self, line: Line, data: dict[str, Any]) -> None:
        self.resumed.append(data)
        session = self._sessions.get(data["session_id"])
        if session is None:
            await line.send({"op": INVALID_SESSION, "s": None, "t": None, "d": False})
            return
        missed = session.events[max(1, data["seq"] - self.repeats) :]  # READY is not repeated
        self._session, self._line = session, line
        for event in missed:
            await line.send(event)
        await line.send(session.add("RESUMED", {}))


async def until(condition: Any, timeout_s: float = 5.0) -> Any:
    """Return ``condition()`` once it is true; TimeoutError when it never is."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):  # noqa: ASYNC110 - what is waited for is anything a test can see
            await asyncio.sleep(0.005)
    return value
