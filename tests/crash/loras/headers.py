"""Header bombs: files whose header costs far more than it should, and what they cost."""

import json
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from pydantic_core import from_json

from engine.checkpoint import header
from engine.checkpoint.header import MAX_HEADER_BYTES, MAX_TENSORS
from engine.errors import LoraRejected
from engine.shelf.validation import open_regular_file, read_tensors

MIB = 2**20
BEYOND_MIB = (5, 10, 25, 50, 99, 100)  # of headers longer than ours may be; the library takes up to 100 MB


def _entry(number: int, dtype: str = "U8", key: str = "data_offsets") -> str:
    return f'"{number}":{{"dtype":"{dtype}","shape":[],"{key}":[{number},{number + 1}]}}'


def _packed(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write one bomb after the other, and return its name and path."""
    path = folder / "bomb.safetensors"
    for size in BEYOND_MIB:
        with path.open("wb") as file:
            file.write(struct.pack("<Q", size * MIB) + b"{")
            file.truncate(8 + size * MIB)
        yield f"header of {size} MiB", path
        with path.open("wb") as file:
            file.write(struct.pack("<Q", size * MIB) + b'{"a":' + b"[" * (size * MIB - 6))
        yield f"header of {size} MiB nested all through", path
    million = ",".join(_entry(number) for number in range(1_000_000))
    path.write_bytes(_packed(f"{{{million}}}"))
    yield "a million tensors", path
    for name, text in _short():
        path.write_bytes(_packed(text))
        yield name, path
    for length in (0, 1, 2**31, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        yield f"length {length}", path


def _short() -> Iterator[tuple[str, str]]:
    """Headers as long as ours may be."""
    room = MAX_HEADER_BYTES - 64
    most = room // 60
    yield "as many tensors as fit", "{" + ",".join(_entry(number) for number in range(most)) + "}"
    hidden = (_entry(number, key="data_offset\\u0073") for number in range(most))
    yield "as many tensors as fit, escaped", "{" + ",".join(hidden) + "}"
    yield "one name all through", "{" + ",".join([_entry(0)] * most) + "}"
    yield "one tensor too many", "{" + ",".join(_entry(number) for number in range(MAX_TENSORS + 1)) + "}"
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        depth = room // len(opening + closing)
        yield f"nested {opening}", '{"a":' + opening * depth + closing * depth + "}"
        yield f"nested {opening} in metadata", '{"__metadata__":' + opening * depth + closing * depth + "}"
    yield "a number of millions of digits", '{"a":{"dtype":"U8","shape":[' + "9" * room + "]}}"
    shape = ",".join(["1"] * (room // 2))
    yield "a shape of millions of sides", '{"a":{"dtype":"U8","shape":[' + shape + '],"data_offsets":[0,1]}}'
    yield "a name of millions of letters", "{" + json.dumps("a" * (room - 64)) + ":{}}"
    yield "a name of escapes", '{"' + "\\u00e9" * (room // 6 - 8) + '":{}}'
    yield "a name without an end", '{"' + "\\" * room
    members = ",".join(f'"{number}":""' for number in range(room // 12))
    yield "as much metadata as fits", '{"__metadata__":{' + members + "}}"
    yield "metadata twice", "{" + ",".join(['"__metadata__":{}'] * (room // 18)) + "}"
    adapter = json.dumps("[" * (room // 2))
    yield "an adapter nested all through", '{"__metadata__":{"lora_adapter_metadata":' + adapter + "}}"
    yield "spaces", "{" + " " * room + "}x"
    yield "spaces before each comma", '{"a"' + " " * room + "x"


@contextmanager
def counted_parses() -> Iterator[list[int]]:
    """Collect the length of each text that JSON's parser gets."""
    lengths: list[int] = []

    def counted(text: bytes, **options: bool) -> object:
        lengths.append(len(text))
        return from_json(text, **options)  # type: ignore[arg-type]

    with mock.patch.object(header, "from_json", counted):
        yield lengths


def cost_of(path: Path) -> tuple[str, float, int, list[int]]:
    """Return how the shelf ends with a file, seconds, the most memory held, and the lengths parsed as JSON.

    Seconds are of the processor. Time and memory are of two calls, because tracing takes time.
    """
    with counted_parses() as lengths:
        began_s = time.thread_time()
        outcome = _outcome(path)
        took_s = time.thread_time() - began_s
    tracemalloc.start()
    _outcome(path)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return outcome, took_s, held, lengths


def _outcome(path: Path) -> str:
    try:
        with open_regular_file(path) as file:
            read_tensors(file)
    except LoraRejected as error:
        return type(error).__name__
    return "taken"
