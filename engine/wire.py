"""The messages between the host and its worker, and their frames on the socket.

A frame is two big-endian u32 lengths, a JSON header ``{"kind": class name, "body": fields}``, and raw bytes
(the PNG of a ``Drawn``, or of a request's start picture). Only the frozen classes in ``KINDS`` exist on the
wire; nothing is unpickled. The host reads with ``receive`` on an asyncio stream, the worker with
``receive_blocking`` on its socket. Both return None if the other side closed between two frames.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from engine.config import EngineConfig
from engine.errors import ModelError, WireError
from engine.request import (
    Drawn,
    Failed,
    Finished,
    LoraChoice,
    LoraSource,
    Progress,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

MAX_HEADER_BYTES = 2**20  # the longest accepted prompt has some 40 KiB; the rest is small
MAX_RAW_BYTES = 64 * 2**20  # five times an incompressible RGB picture of 2048 x 2048
LENGTHS = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Host to worker: stop this attempt between two steps."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PrefetchLoras:
    """Host to worker: later jobs need these LoRAs, soonest first; replaces the previous message."""

    loras: tuple[LoraChoice, ...]
    files: tuple[LoraSource, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawLoras:
    """Host to worker: forget these files, and draw with none of them; replaces the previous message."""

    sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Host to worker: stop drawing and end."""


@dataclass(frozen=True, slots=True)
class StartFailed:
    """Worker to host: the model cannot be loaded; ``error`` names a ``ModelError`` class."""

    error: str
    message: str
    facts: dict[str, str | int | tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, error: ModelError) -> "StartFailed":
        """Make the message from an error."""
        facts = {
            key: fact if isinstance(fact, str | int | tuple) else str(fact)
            for key, fact in error.facts.items()
        }
        return cls(type(error).__name__, str(error), facts)

    def to_error(self) -> ModelError:
        """Make the error again; an unknown class becomes a plain ``ModelError``."""
        kinds = {kind.__name__: kind for kind in _with_subclasses(ModelError)}
        return kinds.get(self.error, ModelError)(self.message, **self.facts)


@dataclass(frozen=True, slots=True)
class CardFault:
    """Worker to host: the card has failed during this job, and the worker ends; no other job is lost."""

    job_id: str
    attempt: int


HostMessage = EngineConfig | RenderRequest | CancelJob | PrefetchLoras | WithdrawLoras | Shutdown
WorkerMessage = WorkerInfo | StartFailed | CardFault | Progress | Drawn | Finished | Stopped | Failed
Message = HostMessage | WorkerMessage

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        EngineConfig,
        RenderRequest,
        CancelJob,
        PrefetchLoras,
        WithdrawLoras,
        Shutdown,
        WorkerInfo,
        StartFailed,
        CardFault,
        Progress,
        Drawn,
        Finished,
        Stopped,
        Failed,
    )
}


def encode(message: Message) -> bytes:
    """Encode a message as one frame.

    Raises:
        WireError: The message is too large, or its text is not Unicode.
    """
    raw, slim = b"", message  # a file travels as raw bytes
    match message:
        case Drawn(picture=picture):
            raw, slim = picture.png, replace(message, picture=replace(picture, png=b""))
        case RenderRequest(start=start) if start is not None:
            raw, slim = start.png, replace(message, start=replace(start, png=b""))
    kind_name = type(message).__name__
    try:
        body = _adapter(kind_name).dump_python(slim, mode="json")
        header = to_json({"kind": kind_name, "body": body})
    except ValueError as error:  # half of a surrogate pair, which JSON from a chat may contain
        raise WireError(f"a {kind_name} holds text that is no Unicode") from error
    if len(header) > MAX_HEADER_BYTES or len(raw) > MAX_RAW_BYTES:
        raise _too_large(len(header), len(raw))
    return LENGTHS.pack(len(header), len(raw)) + header + raw


def decode(header: bytes, raw: bytes) -> Message:
    """Decode the two parts of a frame.

    Raises:
        WireError: It is not one of our messages; the caller should end the connection.
    """
    try:
        envelope = from_json(header)
    except ValueError as error:
        raise WireError("a frame's header is not JSON") from error
    if not isinstance(envelope, dict) or envelope.keys() != {"kind", "body"}:
        raise WireError("a frame's header is not an envelope")
    kind, body = KINDS.get(str(envelope["kind"])), envelope["body"]
    if kind is None:
        raise WireError("a frame is of an unknown kind", kind=str(envelope["kind"])[:40])
    if not isinstance(body, dict) or body.keys() != {each.name for each in fields(kind)}:
        raise WireError(f"a {kind.__name__} has other fields than ours")
    try:
        message: Message = _adapter(kind.__name__).validate_json(to_json(body), strict=True)
    except ValidationError as error:
        # Pydantic's own text would repeat the values, and among them the prompt.
        places = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_input=False))
        raise WireError(f"a {kind.__name__} has wrong values: {places}") from None
    if isinstance(message, Drawn):
        return replace(message, picture=replace(message.picture, png=raw))
    if isinstance(message, RenderRequest) and message.start is not None:
        return replace(message, start=replace(message.start, png=raw))
    if raw:
        raise WireError(f"a {kind.__name__} carries bytes")
    return message


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Wait for the next message; None if the other side closed between two frames.

    Raises:
        WireError: The frame is malformed or incomplete; no further one can be read.
    """
    try:
        start = await reader.readexactly(LENGTHS.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise WireError("a frame breaks off") from error
        return None
    except ConnectionError:
        return None
    header_bytes, raw_bytes = LENGTHS.unpack(start)
    if header_bytes > MAX_HEADER_BYTES or raw_bytes > MAX_RAW_BYTES:
        raise _too_large(header_bytes, raw_bytes)
    try:
        return decode(await reader.readexactly(header_bytes), await reader.readexactly(raw_bytes))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise WireError("a frame breaks off") from error


def receive_blocking(connection: socket.socket) -> Message | None:
    """As ``receive``, for a thread.

    Raises:
        WireError: The frame is malformed or incomplete; no further one can be read.
    """
    start = _read(connection, LENGTHS.size)
    if not start:
        return None
    if len(start) < LENGTHS.size:
        raise WireError("a frame breaks off")
    header_bytes, raw_bytes = LENGTHS.unpack(start)
    if header_bytes > MAX_HEADER_BYTES or raw_bytes > MAX_RAW_BYTES:
        raise _too_large(header_bytes, raw_bytes)
    header, raw = _read(connection, header_bytes), _read(connection, raw_bytes)
    if (len(header), len(raw)) != (header_bytes, raw_bytes):
        raise WireError("a frame breaks off")
    return decode(header, raw)


def _read(connection: socket.socket, count: int) -> bytes:
    """Read ``count`` bytes, fewer only at the end of the stream."""
    got = bytearray()
    while len(got) < count:
        try:
            piece = connection.recv(min(count - len(got), 2**20))
        except ConnectionError:
            break
        if not piece:
            break
        got += piece
    return bytes(got)


def _too_large(header_bytes: int, raw_bytes: int) -> WireError:
    return WireError("a frame is too large", header_bytes=header_bytes, raw_bytes=raw_bytes)


@cache
def _adapter(kind_name: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind_name])


def _with_subclasses(kind: type[ModelError]) -> Iterator[type[ModelError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)
