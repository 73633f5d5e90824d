"""Writes a part of a checkpoint as safetensors files of bounded size, piece by piece.

The reverse of ``header``. The caller supplies the numbers in pieces, so writing 25 GB needs the memory of one
piece.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from engine.checkpoint.header import Tensor
from engine.durable import sync_file

MAX_SHARD_BYTES = 5 * 10**9  # as diffusers and transformers do
_ALIGNMENT_BYTES = 8  # of the first tensor, as the safetensors library writes it

Pieces = Callable[[str], Iterable[bytes | memoryview]]


def write_part(
    folder: Path, stem: str, tensors: Mapping[str, Tensor], pieces: Pieces, max_bytes: int = MAX_SHARD_BYTES
) -> Iterator[int]:
    """Write tensors into ``folder``, with an index if they need several files.

    Args:
        folder: Where the files go; it must exist.
        stem: How their names begin: ``diffusion_pytorch_model``, ``model``.
        tensors: Name → format and shape, in the order in which they are spread over the files.
        pieces: Returns the bytes of one tensor, in order and complete.
        max_bytes: A file's tensors take no more, unless one alone does.

    Yields:
        Bytes of tensors written since the last time, after each piece.

    Raises:
        OSError: The disk is full or broken; the files written so far stay.
        ValueError: ``pieces`` returned more or fewer bytes than a tensor has.
    """
    shards = _split(tensors, max_bytes)
    names = [_file_name(stem, number, len(shards)) for number in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        yield from _write_file(folder / name, shard, pieces)
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
            "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
        }
        text = json.dumps(index, indent=2) + "\n"
        (folder / f"{stem}.safetensors.index.json").write_text(text, encoding="utf-8")


def _split(tensors: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    filled_bytes = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled_bytes + tensor.nbytes > max_bytes:
            shards.append({})
            filled_bytes = 0
        shards[-1][name] = tensor
        filled_bytes += tensor.nbytes
    return shards


def _file_name(stem: str, number: int, count: int) -> str:
    return f"{stem}.safetensors" if count == 1 else f"{stem}-{number + 1:05}-of-{count:05}.safetensors"


def _write_file(path: Path, tensors: Mapping[str, Tensor], pieces: Pieces) -> Iterator[int]:
    # The widest numbers first, so that each tensor begins at a multiple of the width of its numbers.
    names = sorted(tensors, key=lambda name: -tensors[name].item_bytes)
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers loads no file without it
    position = 0
    for name in names:
        tensor = tensors[name]
        end = position + tensor.nbytes
        entries[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (position, end)}
        position = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT_BYTES)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name in names:
            written_bytes = 0
            for piece in pieces(name):
                file.write(piece)
                written_bytes += memoryview(piece).nbytes
                yield memoryview(piece).nbytes
            if written_bytes != tensors[name].nbytes:
                raise ValueError(f"{name} has {tensors[name].nbytes} bytes, not {written_bytes}")


def sync_folder(folder: Path) -> None:
    """Make every file and folder below ``folder`` survive a power cut."""
    for path in [*folder.rglob("*"), folder]:
        sync_file(path)
