"""Frames: what is written is read back equal, and nothing else is read at all."""

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wire
from engine.config import EngineConfig
from engine.errors import ModelError, ModelIncomplete, ModelUnreachable, WireError
from engine.request import (
    Cell,
    Drawn,
    Failed,
    FailReason,
    FileStamp,
    Finished,
    LoraChoice,
    LoraSource,
    Picture,
    Progress,
    RenderRequest,
    StartPicture,
    Stopped,
    Timings,
    WorkerInfo,
)

REQUEST = RenderRequest(
    "j1", 2, "Sugar面部, 清透水光肌 🍬 \x00", 512, 768, 7, 2, (LoraChoice("sugar", "ab" * 32, 0.8),)
)
SHEET = replace(REQUEST, cells=(Cell("a girl", REQUEST.loras, 7), Cell("一个女孩", (), 8, steps=4)))
MESSAGES = [
    EngineConfig(Path("/data"), Path("shelf"), device="cuda:1"),
    REQUEST,
    replace(REQUEST, start=StartPicture(b"\x89PNG" + bytes(range(256)), 0.3)),
    SHEET,
    wire.CancelJob("j1", 2),
    wire.PrefetchLoras((LoraChoice("sugar", "a" * 64, 0.8),)),
    wire.PrefetchLoras(
        (LoraChoice("sugar", "a" * 64, 0.8),),
        (
            LoraSource("a" * 64, Path("/糖 shelf/sugar.safetensors"), FileStamp(1, 2**62, 2**62, 2**64 - 1)),
            LoraSource("a" * 64, Path("/kept.safetensors")),
        ),
    ),
    wire.WithdrawLoras(("a" * 64,)),
    wire.Shutdown(),
    WorkerInfo(1, "cpu", "CPU", "float32", "no card", "built-in", 1.5, 10, {"torch": "2.11"}),
    wire.StartFailed("ModelIncomplete", "parts are missing", {"missing": ("vae/config.json",), "n": 1}),
    wire.CardFault("j1", 2),
    Progress("j1", 2, 0, 3, 8),
    Drawn("j1", 2, Picture(0, 7, 512, 768, b"\x89PNG" + bytes(range(256)))),
    Finished("j1", 2, Timings(0.1, 0.2, 0.3, 0.4, 0.5), 2**35),
    Stopped("j1", 2),
    Failed("j1", 2, FailReason.OUT_OF_MEMORY, "no room"),
]


async def read_all(data: bytes) -> list[wire.Message]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    messages = []
    while (message := await wire.receive(reader)) is not None:
        messages.append(message)
    return messages


def read_all_blocking(data: bytes) -> list[wire.Message]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        messages = []
        while (message := wire.receive_blocking(ours)) is not None:
            messages.append(message)
        return messages


def frame(header: object, raw: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("!II", len(text), len(raw)) + text + raw


async def test_every_message_is_read_back_equal_on_both_sides() -> None:
    data = b"".join(wire.encode(message) for message in MESSAGES)
    assert await read_all(data) == MESSAGES
    assert read_all_blocking(data) == MESSAGES
    assert {type(message) for message in MESSAGES} == set(wire.KINDS.values())


def test_a_large_picture_crosses_a_socket_that_takes_it_in_pieces() -> None:
    drawn = Drawn("j", 1, Picture(0, 1, 8, 8, bytes(70_000)))
    assert read_all_blocking(wire.encode(drawn)) == [drawn]


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    seed=st.integers(0, 2**32 - 1),
    weight=st.floats(-2, 2),
)
def test_any_prompt_survives_the_wire(prompt: str, seed: int, weight: float) -> None:
    request = RenderRequest("j", 1, prompt, 512, 512, seed, loras=(LoraChoice("a", "b", weight),))
    data = wire.encode(request)
    header_bytes, _ = struct.unpack("!II", data[:8])
    assert wire.decode(data[8 : 8 + header_bytes], b"") == request


def request_with(start: object) -> dict[str, dict[str, object]]:
    """A request's header as ours, but with this start."""
    data = wire.encode(REQUEST)
    header = json.loads(data[8 : 8 + struct.unpack("!II", data[:8])[0]])
    return {**header, "body": {**header["body"], "start": start}}


def test_a_start_is_read_only_as_it_is_written() -> None:
    good = json.dumps(request_with({"png": "", "strength": 0.5})).encode()
    assert wire.decode(good, b"png") == replace(REQUEST, start=StartPicture(b"png", 0.5))


GOOD = {"kind": "Progress", "body": {"job_id": "j", "attempt": 1, "index": 0, "step": 1, "steps": 8}}


@pytest.mark.parametrize(
    "data",
    [
        frame(b"not json"),
        frame([]),
        frame({"kind": "Progress"}),
        frame({**GOOD, "extra": 1}),
        frame({"kind": "Popen", "body": {}}),
        frame({"kind": ["Progress"], "body": {}}),
        frame({"kind": "Progress", "body": []}),
        frame({"kind": "Progress", "body": {**GOOD["body"], "extra": 1}}),
        frame({"kind": "Progress", "body": {**GOOD["body"], "step": "1"}}),
        frame({"kind": "Failed", "body": {"job_id": "j", "attempt": 1, "reason": "bored", "detail": ""}}),
        frame(GOOD, b"raw bytes nobody asked for"),
        frame(request_with(None), b"raw bytes nobody asked for"),
        frame(request_with({"png": "", "strength": 0}), b"png"),
        frame(request_with({"png": "", "strength": 1.5}), b"png"),
        frame(request_with({"png": "", "strength": "0.5"}), b"png"),
        frame(request_with({"png": ""}), b"png"),
        frame(b"[" * 100_000),
        frame(GOOD)[:-1],
        frame(GOOD)[:5],
        struct.pack("!II", wire.MAX_HEADER_BYTES + 1, 0) + b"x" * 100,
        struct.pack("!II", 2, 2**32 - 1) + b"{}",
    ],
)
async def test_a_malformed_frame_is_an_error_of_ours_on_both_sides(data: bytes) -> None:
    with pytest.raises(WireError):
        await read_all(data)
    with pytest.raises(WireError):
        read_all_blocking(data)


@given(st.binary(max_size=200))
def test_any_header_bytes_are_a_message_or_our_error(header: bytes) -> None:
    with contextlib.suppress(WireError):
        wire.decode(header, b"")


@pytest.mark.parametrize("lengths", [(wire.MAX_HEADER_BYTES + 1, 0), (2, wire.MAX_RAW_BYTES + 1)])
async def test_a_frame_that_is_too_large_is_refused_before_it_is_read(lengths: tuple[int, int]) -> None:
    start = struct.pack("!II", *lengths)
    reader = asyncio.StreamReader()
    reader.feed_data(start)  # and the other side stays, saying nothing more
    with pytest.raises(WireError, match="too large"):
        await asyncio.wait_for(wire.receive(reader), 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(1)
        theirs.sendall(start)
        with pytest.raises(WireError, match="too large"):
            wire.receive_blocking(ours)


@pytest.mark.parametrize("lengths", [(2**20, 0), (2, 64 * 2**20)])
async def test_a_frame_as_large_as_is_allowed_is_waited_for(lengths: tuple[int, int]) -> None:
    start = struct.pack("!II", *lengths)
    with pytest.raises(WireError, match="breaks off"):
        await read_all(start)
    with pytest.raises(WireError, match="breaks off"):
        read_all_blocking(start)
    assert (wire.MAX_HEADER_BYTES, wire.MAX_RAW_BYTES) == (2**20, 64 * 2**20)


def test_an_unknown_kind_is_named_in_short() -> None:
    with pytest.raises(WireError) as caught:
        wire.decode(json.dumps({"kind": "Popen" * 100, "body": {}}).encode(), b"")
    assert caught.value.facts == {"kind": "Popen" * 8}


class Reset:
    """A connection that the other side resets after some bytes."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def readexactly(self, count: int) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop(0)

    def recv(self, count: int) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop(0)


class Dripping:
    """A connection that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, count: int) -> bytes:
        piece = self.data[: min(count, 7)]
        self.data = self.data[len(piece) :]
        return piece


def test_a_frame_received_in_pieces_takes_no_bytes_of_the_next() -> None:
    dripping = Dripping(b"".join(map(wire.encode, MESSAGES)))
    assert [wire.receive_blocking(dripping) for _ in MESSAGES] == MESSAGES  # type: ignore[arg-type]
    assert wire.receive_blocking(dripping) is None  # type: ignore[arg-type]


async def test_a_connection_that_is_reset_ends_like_one_that_is_closed() -> None:
    assert await wire.receive(Reset()) is None  # type: ignore[arg-type]
    assert wire.receive_blocking(Reset()) is None  # type: ignore[arg-type]
    start, header = frame(GOOD)[:8], frame(GOOD)[8:]
    for pieces in ([start], [start, header[:5]]):
        with pytest.raises(WireError, match="breaks off"):
            await wire.receive(Reset(*pieces))  # type: ignore[arg-type]
        with pytest.raises(WireError, match="breaks off"):
            wire.receive_blocking(Reset(*pieces))  # type: ignore[arg-type]


def test_a_wrong_value_is_named_without_its_content() -> None:
    body = {"job_id": "j", "attempt": "x", "prompt": "a secret wish", "width_px": 1, "height_px": 1}
    body |= {"seed": 1, "count": 1, "loras": [], "steps": 8, "start": None, "prompts": [], "lora_files": []}
    body |= {"cells": []}
    with pytest.raises(WireError) as caught:
        wire.decode(json.dumps({"kind": "RenderRequest", "body": body}).encode(), b"")
    assert "attempt" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_message_larger_than_a_frame_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError):
        wire.encode(Failed("j", 1, FailReason.WORKER_ERROR, "x" * wire.MAX_HEADER_BYTES))


@pytest.mark.parametrize(
    "error",
    [
        ModelIncomplete("vae is missing", missing=("vae/config.json",), folder=Path("/nowhere"), n=1),
        ModelUnreachable("no network", model="owner/model"),
        ModelError("a device that is not there"),
    ],
)
def test_an_error_of_the_model_is_the_same_on_the_other_side(error: ModelError) -> None:
    [message] = read_all_blocking(wire.encode(wire.StartFailed.of(error)))
    assert isinstance(message, wire.StartFailed)
    again = message.to_error()
    assert (type(again), str(again)) == (type(error), str(error))
    assert again.facts == {
        key: str(fact) if isinstance(fact, Path) else fact for key, fact in error.facts.items()
    }
    assert type(wire.StartFailed("Popen", "x", {}).to_error()) is ModelError


async def test_a_closed_connection_between_two_frames_is_the_end() -> None:
    assert await read_all(b"") == []
    assert read_all_blocking(b"") == []


def test_half_a_surrogate_pair_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError):
        wire.encode(RenderRequest("j", 1, "\ud83c", 512, 512, 1))
