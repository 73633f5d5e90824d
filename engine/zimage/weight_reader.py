"""A checkpoint's files → tensors in their final number format, on the device or in main memory.

Needs torch only, so that reading can start before diffusers and transformers are imported.
"""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import torch
from torch import Tensor

from engine.checkpoint.contents import header_of, weight_files
from engine.checkpoint.header import Tensor as FileEntry
from engine.config import Plan, WeightLocation
from engine.cuda.dtypes import DTYPES
from engine.zimage.device import Placement
from engine.zimage.residency.file_chunks import BUFFER_BYTES, READERS, ChunkReader, FileTensor, wait_for_all
from engine.zimage.residency.layout import (
    BlockLayout,
    block_layouts,
    block_weights,
    encoder_layouts,
)
from engine.zimage.residency.sources import BlockSource, FileSource, HostSource

log = structlog.get_logger("engine.worker")

TRANSFORMER, TEXT_ENCODER = "transformer", "text_encoder"
READING_ORDER = (TEXT_ENCODER, "vae", TRANSFORMER)


@dataclass(frozen=True, slots=True, eq=False)
class PartWeights:
    """The weights of one part.

    Attributes:
        tensors: By the library's names.
        blocks: The weights that stay off the card, which are not in ``tensors``.
    """

    tensors: dict[str, Tensor]
    blocks: BlockSource | None = None


class WeightReader:
    """Reads the weights of every part. Reading starts when this is created.

    Args:
        folder: A checkpoint.
        placement: The target. Floating-point tensors get its number format, all others keep theirs.
        base: Where the transformer's blocks go.
        encoder: Where the text encoder's layers go.
        readers: Number of reading threads.
        buffer_bytes: Buffer of each thread, a multiple of 8.
    """

    def __init__(
        self,
        folder: Path,
        placement: Placement,
        base: WeightLocation = WeightLocation.CARD,
        encoder: WeightLocation = WeightLocation.CARD,
        *,
        readers: int = READERS,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._placement = placement
        self._locations = {TRANSFORMER: base, TEXT_ENCODER: encoder}
        self._chunks = ChunkReader(placement.device, readers=readers, buffer_bytes=buffer_bytes)
        one_by_one = ThreadPoolExecutor(1, "weights of a part")
        self._parts: dict[str, Future[PartWeights]] = {
            part: one_by_one.submit(self._read, folder, part) for part in READING_ORDER
        }
        one_by_one.shutdown(wait=False)  # its thread ends with the last part

    def wait_for(self, part: str) -> PartWeights:
        """Wait for one part's weights. They can be taken once.

        Raises:
            BadHeader: A file is damaged.
            OSError: A file is missing or ends early.
            OutOfMemoryError: The device has too little free memory.
        """
        return self._parts.pop(part).result()

    def _read(self, folder: Path, part: str) -> PartWeights:
        started_s = time.perf_counter()
        entries = _entries(folder, part)
        with _opened(entries) as sources:
            shapes = {name: entry.shape for name, (_, entry) in entries.items()}
            layouts = encoder_layouts(shapes) if part == TEXT_ENCODER else block_layouts(shapes)
            blocks = self._block_source(self._locations.get(part, WeightLocation.CARD), sources, layouts)
            tensors = self._read_tensors(sources, entries, blocks)
        if isinstance(blocks, HostSource):
            device = self._placement.device
            wait_for_all([self._chunks.run(partial(each.pin, device)) for each in blocks.blocks.values()])
        gigabytes = sum(tensor.nbytes for tensor in tensors.values()) / 1e9
        seconds = time.perf_counter() - started_s
        log.info(
            "weights read", part=part, gigabytes=round(gigabytes, 3), seconds=round(seconds, 3),
            beside=round(blocks.host_bytes / 1e9, 3) if blocks else 0,
        )  # fmt: skip
        return PartWeights(tensors, blocks)

    def _block_source(
        self, location: WeightLocation, sources: Mapping[str, FileTensor], layouts: Mapping[str, BlockLayout]
    ) -> BlockSource | None:
        """Return an empty source for the blocks that stay off the card; None if they do not."""
        if location is WeightLocation.CARD:
            return None
        if location is WeightLocation.PINNED:
            return HostSource(layouts, self._placement.dtype)
        names = block_weights(layouts).keys()
        # The descriptors of this call are closed; those of the source live as long as the process.
        copies = {file: os.dup(file) for file in {sources[name].file for name in names}}
        kept = {
            name: FileTensor(copies[sources[name].file], sources[name].offset_bytes, sources[name].dtype)
            for name in names
        }
        return FileSource(layouts, self._placement.dtype, kept, self._placement.device)

    def _read_tensors(
        self,
        sources: Mapping[str, FileTensor],
        entries: Mapping[str, tuple[Path, FileEntry]],
        blocks: BlockSource | None,
    ) -> dict[str, Tensor]:
        """Read each tensor to its place; return those that belong to no block."""
        placed = block_weights(blocks.layouts).keys() if blocks else ()
        tensors: dict[str, Tensor] = {}
        targets = blocks.targets() if isinstance(blocks, HostSource) else {}
        work: list[Future[None]] = []
        try:
            for name, source in sources.items():
                if name in placed and name not in targets:
                    continue  # it stays in its file
                target = targets.get(name)
                if target is None:
                    dtype = self._placement.dtype if source.dtype.is_floating_point else source.dtype
                    # Of the embedding of an encoder that is off the card, each prompt needs a few rows.
                    is_in_memory = blocks is not None and name.endswith("embed_tokens.weight")
                    device = torch.device("cpu") if is_in_memory else self._placement.device
                    target = torch.empty(entries[name][1].shape, dtype=dtype, device=device)
                    tensors[name] = target
                work += self._chunks.read(source, target)
        finally:
            wait_for_all(work)  # the threads use the open files until then
        return tensors


def read_tensors(folder: Path, part: str, placement: Placement, prefix: str = "") -> dict[str, Tensor]:
    """Read a part's tensors whose names begin with ``prefix`` to the device; raises as ``wait_for``."""
    entries = {name: entry for name, entry in _entries(folder, part).items() if name.startswith(prefix)}
    chunks = ChunkReader(placement.device, readers=1)
    tensors: dict[str, Tensor] = {}
    work: list[Future[None]] = []
    with _opened(entries) as sources:
        try:
            for name, source in sources.items():
                dtype = placement.dtype if source.dtype.is_floating_point else source.dtype
                tensors[name] = torch.empty(entries[name][1].shape, dtype=dtype, device=placement.device)
                work += chunks.read(source, tensors[name])
        finally:
            wait_for_all(work)
    return tensors


def _entries(folder: Path, part: str) -> dict[str, tuple[Path, FileEntry]]:
    """Return the file and the place of each tensor of a part."""
    return {
        name: (path, entry) for path in weight_files(folder, part) for name, entry in header_of(path).items()
    }


@contextmanager
def _opened(entries: Mapping[str, tuple[Path, FileEntry]]) -> Iterator[dict[str, FileTensor]]:
    """Open the files of these tensors meanwhile."""
    with ExitStack() as open_files:
        files = {
            path: open_files.enter_context(path.open("rb")).fileno()
            for path in dict.fromkeys(path for path, _ in entries.values())
        }
        yield {
            name: FileTensor(files[path], entry.offset_bytes, DTYPES[entry.dtype])
            for name, (path, entry) in entries.items()
        }


def locations_of(plan: Plan | None) -> tuple[WeightLocation, WeightLocation]:
    """Return where the transformer's blocks and the text encoder's layers go."""
    plan = plan or Plan()
    return plan.base, plan.encoder


_started: dict[tuple[Path, Placement, WeightLocation, WeightLocation], WeightReader] = {}


def start_reading(
    folder: Path,
    placement: Placement,
    base: WeightLocation = WeightLocation.CARD,
    encoder: WeightLocation = WeightLocation.CARD,
) -> None:
    """Start to read a checkpoint for a later ``reader_for``; returns at once."""
    _started[folder, placement, base, encoder] = WeightReader(folder, placement, base, encoder)


def reader_for(
    folder: Path,
    placement: Placement,
    base: WeightLocation = WeightLocation.CARD,
    encoder: WeightLocation = WeightLocation.CARD,
) -> WeightReader:
    """Return the reader that ``start_reading`` created, or a new one."""
    started = _started.pop((folder, placement, base, encoder), None)
    return started or WeightReader(folder, placement, base, encoder)
