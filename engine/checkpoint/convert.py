"""Makes a copy of a checkpoint in bfloat16, once, so that a start reads half the bytes and rounds nothing.

It uses numpy, not torch: rounding float32 to bfloat16 is one addition and one shift of whole numbers. So the
chats' process converts in a thread, shows the progress, and does not import torch for seconds. One piece of
one tensor is in memory at a time. The copy gets its name when it is complete and on the disk; a kill leaves a
draft, which the next run removes.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from engine.checkpoint.contents import STEMS, header_of, published_transformer, weight_files
from engine.checkpoint.copies import SIDECAR, WIDER, copy_folder, files_of, identity_of, parts_to_convert
from engine.checkpoint.header import Tensor
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.published.file import PublishedFile
from engine.checkpoint.shards import sync_folder, write_part
from engine.durable import FILE_MODE, make_folder, sync_file
from engine.errors import ConversionRunning, ModelIncomplete, NoRoomForCopy
from engine.reading import read_fully

PIECE_BYTES = 16 * 2**20  # read at once
SPARE_BYTES = 256 * 2**20  # of the disk, for pictures and the database
_DRAFT = ".draft"
_QUIET_NAN = 0x7FC0  # of bfloat16; other NaNs differ between processors

ReportProgress = Callable[[int, int], None]


def to_bfloat16(numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Round float32 or float16 to the bits of bfloat16, halves to even, as torch does; NaN stays NaN."""
    single = numbers.astype("<f4", copy=False)
    bits = single.view("<u4")
    rounded: npt.NDArray[np.uint16] = ((bits + ((bits >> 16) & 1) + 0x7FFF) >> 16).astype("<u2")
    rounded[np.isnan(single)] = _QUIET_NAN
    return rounded


def convert(source: ModelInfo, data_dir: Path, report: ReportProgress) -> Path:
    """Make the copy that ``find_model`` then prefers; replace an existing one.

    Args:
        source: As ``find_source`` found it.
        data_dir: The copy is below its ``models/``.
        report: Receives the bytes written so far and in all. Its errors stop the conversion.

    Returns:
        The copy's folder.

    Raises:
        NoRoomForCopy: Facts: ``folder``, ``needed_bytes``, ``free_bytes``. No file is left.
        ConversionRunning: Another process converts now.
        ModelIncomplete: The source changed meanwhile; try again.
        OSError: The disk broke or filled up.
    """
    into = copy_folder(data_dir, source.folder, source.name)
    make_folder(into.parent)
    name = into.parent / ".convert.lock"
    lock = FileLock(name, mode=FILE_MODE, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConversionRunning(folder=str(into.parent)) from error
    try:
        for leftover in into.parent.glob(f"*{_DRAFT}"):
            shutil.rmtree(leftover)
        draft = into.with_name(into.name + _DRAFT)
        try:
            _fill(draft, source.folder, report)
            _publish(draft, into)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    finally:
        lock.release()
    return into


def _fill(draft: Path, source: Path, report: ReportProgress) -> None:
    identity = identity_of(source)
    parts = parts_to_convert(source)
    weights = [path for part in parts for path in weight_files(source, part)]
    skipped = {*weights, *(_index(source, part) for part in parts)}
    to_copy = [path for path in files_of(source) if path not in skipped and not _linked(path, source, draft)]
    published = published_transformer(source)
    own = [part for part in parts if not (published and part == "transformer")]
    sources_of = {part: _read_sources(weight_files(source, part)) for part in own}
    total_bytes = sum(path.stat().st_size for path in to_copy)
    total_bytes += sum(
        _narrow(tensor).nbytes for sources in sources_of.values() for _, tensor in sources.values()
    )
    total_bytes += sum(tensor.nbytes for tensor in (published.tensors.values() if published else ()))
    free_bytes = shutil.disk_usage(draft).free
    if total_bytes + SPARE_BYTES > free_bytes:
        raise NoRoomForCopy(
            folder=str(draft.parent), needed_bytes=total_bytes + SPARE_BYTES, free_bytes=free_bytes
        )
    done_bytes = 0
    for path in to_copy:
        shutil.copyfile(path, draft / path.relative_to(source))
        done_bytes += path.stat().st_size
        report(done_bytes, total_bytes)
    writing = [_convert_part(draft / part, STEMS[part], sources) for part, sources in sources_of.items()]
    if published:
        writing.append(_convert_published(draft / "transformer", published))
    for written_bytes in chain.from_iterable(writing):
        done_bytes += written_bytes
        report(done_bytes, total_bytes)
    if identity_of(source) != identity:
        raise ModelIncomplete(f"{source} changed while it was converted.", folder=str(source))
    sidecar = {"source": str(source), "identity": identity}
    (draft / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")


def _publish(draft: Path, into: Path) -> None:
    """Give a complete draft the name of the copy; a kill leaves no copy or a whole one."""
    sync_folder(draft)
    if into.exists():
        old = into.with_name(f"{into.name}.old{_DRAFT}")
        into.rename(old)
        draft.rename(into)
        shutil.rmtree(old)
    else:
        draft.rename(into)
    sync_file(into.parent)


def _index(source: Path, part: str) -> Path:
    return source / part / f"{STEMS[part]}.safetensors.index.json"


def _linked(path: Path, source: Path, draft: Path) -> bool:
    """Link weights that need no conversion: a link takes no space and survives the source."""
    target = draft / path.relative_to(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".safetensors":
        return False
    try:
        target.hardlink_to(path.resolve())
    except OSError:
        return False  # another disk, or no support for links
    return True


def _convert_published(folder: Path, published: PublishedFile) -> Iterator[int]:
    def pieces(name: str) -> Iterator[memoryview]:
        """Yield the bytes of this tensor in bfloat16."""
        for numbers in published.pieces(name):
            yield to_bfloat16(numbers).data.cast("B")

    yield from write_part(folder, STEMS["transformer"], published.tensors, pieces)


_Sources = dict[str, tuple[Path, Tensor]]


def _read_sources(files: list[Path]) -> _Sources:
    return {name: (path, tensor) for path in files for name, tensor in header_of(path).items()}


def _narrow(tensor: Tensor) -> Tensor:
    return replace(tensor, dtype="BF16") if tensor.dtype in WIDER else tensor


def _convert_part(folder: Path, stem: str, sources: _Sources) -> Iterator[int]:
    piece_buffer = memoryview(bytearray(PIECE_BYTES))
    with ExitStack() as open_files:
        files = {
            path: open_files.enter_context(path.open("rb", buffering=0)).fileno()
            for path in {path for path, _ in sources.values()}
        }

        def pieces(name: str) -> Iterator[memoryview]:
            """Yield the bytes of this tensor, wider floats as bfloat16; the pieces share one buffer."""
            path, tensor = sources[name]
            for begin in range(0, tensor.nbytes, PIECE_BYTES):
                piece = piece_buffer[: min(PIECE_BYTES, tensor.nbytes - begin)]
                read_fully(files[path], piece, tensor.offset_bytes + begin)
                if tensor.dtype in WIDER:
                    numbers = np.frombuffer(piece, "<f4" if tensor.dtype == "F32" else "<f2")
                    yield to_bfloat16(numbers).data.cast("B")
                else:
                    yield piece

        tensors = {name: _narrow(tensor) for name, (_, tensor) in sources.items()}
        yield from write_part(folder, stem, tensors, pieces)
