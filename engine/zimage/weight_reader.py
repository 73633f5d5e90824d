"""A checkpoint's files → tensors in their final number format, on the device or in main memory.

Needs torch only, so that reading can start before diffusers and transformers are imported.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import torch
from torch import Tensor

from engine.checkpoint.contents import header_of, weight_files
from engine.checkpoint.header import Tensor as FileEntry
from engine.config import EngineConfig, Plan, WeightLocation, format_without_plan
from engine.cuda.dtypes import DTYPES
from engine.eight_bit.formats import can_multiply
from engine.eight_bit.quantise import EightBitMatrix
from engine.zimage.device import Placement
from engine.zimage.residency.file_chunks import BUFFER_BYTES, READERS, ChunkReader, FileTensor, wait_for_all
from engine.zimage.residency.layout import (
    BlockLayout,
    block_layouts,
    block_weights,
    encoder_layouts,
)
from engine.zimage.residency.sources import BlockSource, FileSource, HostSource
from engine.zimage.text.scaled import rounded

log = structlog.get_logger("engine.worker")

TRANSFORMER, TEXT_ENCODER = "transformer", "text_encoder"
READING_ORDER = (TEXT_ENCODER, "vae", TRANSFORMER)
ROUNDED_AT_ONCE = 4  # matrices on the device in the wide format, at most 50 MB each in Z-Image-Turbo


@dataclass(frozen=True, slots=True, eq=False)
class PartWeights:
    """The weights of one part.

    Attributes:
        tensors: By the library's names.
        blocks: The weights that stay off the card, which are not in ``tensors``.
        scaled: The matrices that were rounded to eight bits, which are not in ``tensors``; the values are
            on the device or, if there are ``blocks``, views of them. The scales are on the device.
    """

    tensors: dict[str, Tensor]
    blocks: BlockSource | None = None
    scaled: dict[str, EightBitMatrix] = field(default_factory=dict)


class WeightReader:
    """Reads the weights of every part. Reading starts when this is created.

    Args:
        folder: A checkpoint.
        placement: The target. Floating-point tensors get its number format, all others keep theirs.
        base: Where the transformer's blocks go.
        encoder: Where the text encoder's layers go.
        rounds_encoder: Whether the text encoder's matrices are rounded to eight bits. Those that stay on the
            disk are rounded when they are used.
        readers: Number of reading threads.
        buffer_bytes: Buffer of each thread, a multiple of 8.
    """

    def __init__(
        self,
        folder: Path,
        placement: Placement,
        base: WeightLocation = WeightLocation.CARD,
        encoder: WeightLocation = WeightLocation.CARD,
        rounds_encoder: bool = False,
        *,
        readers: int = READERS,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._placement = placement
        self._locations = {TRANSFORMER: base, TEXT_ENCODER: encoder}
        self._rounded = {TEXT_ENCODER} if rounds_encoder and encoder is not WeightLocation.DISK else set()
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
            dtype = torch.int8 if part in self._rounded else self._placement.dtype
            location = self._locations.get(part, WeightLocation.CARD)
            blocks = self._block_source(location, sources, layouts, dtype)
            scaled = {}
            if part in self._rounded:
                matrices = {name: sources.pop(name) for name in block_weights(layouts)}
                scaled = self._read_rounded(matrices, entries, blocks)
            tensors = self._read_tensors(sources, entries, blocks)
        if isinstance(blocks, HostSource):
            device = self._placement.device
            wait_for_all([self._chunks.run(partial(each.pin, device)) for each in blocks.blocks.values()])
        kept = [*tensors.values(), *(each.values for each in scaled.values() if blocks is None)]
        gigabytes = sum(tensor.nbytes for tensor in kept) / 1e9
        seconds = time.perf_counter() - started_s
        log.info(
            "weights read", part=part, gigabytes=round(gigabytes, 3), seconds=round(seconds, 3),
            beside=round(blocks.host_bytes / 1e9, 3) if blocks else 0,
        )  # fmt: skip
        return PartWeights(tensors, blocks, scaled)

    def _block_source(
        self,
        location: WeightLocation,
        sources: Mapping[str, FileTensor],
        layouts: Mapping[str, BlockLayout],
        dtype: torch.dtype,
    ) -> BlockSource | None:
        """Return an empty source for the blocks that stay off the card; None if they do not."""
        if location is WeightLocation.CARD:
            return None
        if location is WeightLocation.PINNED:
            return HostSource(layouts, dtype)
        names = block_weights(layouts).keys()
        # The descriptors of this call are closed; those of the source live as long as the process.
        copies = {file: os.dup(file) for file in {sources[name].file for name in names}}
        kept = {
            name: FileTensor(copies[sources[name].file], sources[name].offset_bytes, sources[name].dtype)
            for name in names
        }
        return FileSource(layouts, self._placement.dtype, kept, self._placement.device)

    def _read_rounded(
        self,
        sources: Mapping[str, FileTensor],
        entries: Mapping[str, tuple[Path, FileEntry]],
        blocks: BlockSource | None,
    ) -> dict[str, EightBitMatrix]:
        """Read matrices, and round each on the device as soon as it is there; few are held unrounded."""
        targets = blocks.targets() if isinstance(blocks, HostSource) else {}
        device = self._placement.device
        scaled: dict[str, EightBitMatrix] = {}
        arriving: deque[tuple[str, Tensor, list[Future[None]]]] = deque()

        def round_next() -> None:
            name, weight, work = arriving[0]
            wait_for_all(work)
            matrix = rounded(weight)
            if name in targets:
                matrix = matrix._replace(values=targets[name].copy_(matrix.values))
            if device.type == "cuda":
                torch.cuda.current_stream(device).synchronize()  # a later tensor may take the weight's memory
            scaled[name] = matrix
            arriving.popleft()

        try:
            for name, source in sources.items():
                if len(arriving) == ROUNDED_AT_ONCE:
                    round_next()
                weight = torch.empty(entries[name][1].shape, dtype=self._placement.dtype, device=device)
                arriving.append((name, weight, self._chunks.read(source, weight)))
            while arriving:
                round_next()
        finally:
            wait_for_all([each for _, _, work in arriving for each in work])
        return scaled

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
                    is_in_memory = name.endswith("embed_tokens.weight")  # each prompt needs a few rows
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


def locations_of(config: EngineConfig, device: torch.device) -> tuple[WeightLocation, WeightLocation, bool]:
    """Return where the transformer's blocks and the text encoder's layers go, and whether these are rounded.

    They are rounded whenever the transformer is in eight bits, wherever they are: the place of a weight
    changes no picture.
    """
    plan = config.plan or Plan(weight_format=format_without_plan(config.precision))
    is_rounded = plan.has_encoder_in_eight_bits and can_multiply(plan.weight_format, device)
    return plan.base, plan.encoder, is_rounded


_started: dict[tuple[Path, Placement, WeightLocation, WeightLocation, bool], WeightReader] = {}


def start_reading(
    folder: Path,
    placement: Placement,
    base: WeightLocation = WeightLocation.CARD,
    encoder: WeightLocation = WeightLocation.CARD,
    rounds_encoder: bool = False,
) -> None:
    """Start to read a checkpoint for a later ``reader_for``; returns at once."""
    asked = folder, placement, base, encoder, rounds_encoder
    _started[asked] = WeightReader(*asked)


def reader_for(
    folder: Path,
    placement: Placement,
    base: WeightLocation = WeightLocation.CARD,
    encoder: WeightLocation = WeightLocation.CARD,
    rounds_encoder: bool = False,
) -> WeightReader:
    """Return the reader that ``start_reading`` created, or a new one."""
    asked = folder, placement, base, encoder, rounds_encoder
    return _started.pop(asked, None) or WeightReader(*asked)
