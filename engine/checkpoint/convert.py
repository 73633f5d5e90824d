"""Makes a copy of a checkpoint in bfloat16, once, so that no start reads and rounds twice the bytes again.

With numpy, not torch: rounding float32 to bfloat16 is one addition and one shift of whole numbers, and so the
chats' process does it in a thread, with its progress at hand, and without the seconds that torch takes to
import. One stretch of one tensor is in memory at a time. The copy gets its name when it is complete and on
the disk; what a kill leaves is a draft, which the next run removes.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from engine.checkpoint.contents import STEMS, header_of, weight_files
from engine.checkpoint.copies import SIDECAR, WIDER, copy_folder, files_of, identity_of, parts_to_convert
from engine.checkpoint.header import Tensor
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.shards import settle, write_part
from engine.durable import FILE_MODE, make_folder, sync_file
from engine.errors import ConversionRunning, ModelIncomplete, NoRoomForCopy
from engine.reading import read_fully

STRETCH_BYTES = 16 * 2**20  # read at once
SPARE_BYTES = 256 * 2**20  # of the disk, left to the pictures and the database
_DRAFT = ".draft"
_QUIET_NAN = 0x7FC0  # of bfloat16; the bits that tell one NaN from another differ even between processors

Report = Callable[[int, int], None]


def to_bfloat16(numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Round float32 or float16 to the bits of bfloat16, halves to even, as torch does; NaN stays NaN."""
    single = numbers.astype("<f4", copy=False)
    bits = single.view("<u4")
    rounded: npt.NDArray[np.uint16] = ((bits + ((bits >> 16) & 1) + 0x7FFF) >> 16).astype("<u2")
    rounded[np.isnan(single)] = _QUIET_NAN
    return rounded


def convert(source: ModelInfo, data_dir: Path, report: Report) -> Path:
    """Make the copy that ``find_model`` then prefers; one that is there already is replaced.

    Args:
        source: As ``find_source`` found it.
        data_dir: The copy lies below its ``models/``.
        report: Gets the bytes written so far and in all. What it raises stops the work and is passed on.

    Returns:
        The copy's folder.

    Raises:
        NoRoomForCopy: Facts: ``folder``, ``needed_bytes``, ``free_bytes``. Nothing was left behind.
        ConversionRunning: Another process does this now.
        ModelIncomplete: The source changed meanwhile; the host tries again.
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


def _fill(draft: Path, source: Path, report: Report) -> None:
    identity = identity_of(source)
    parts = parts_to_convert(source)
    weights = [path for part in parts for path in weight_files(source, part)]
    skipped = {*weights, *(_index(source, part) for part in parts)}
    to_copy = [path for path in files_of(source) if path not in skipped and not _linked(path, source, draft)]
    plans = {part: _plan(weight_files(source, part)) for part in parts}
    total_bytes = sum(path.stat().st_size for path in to_copy)
    total_bytes += sum(_narrow(tensor).nbytes for plan in plans.values() for _, tensor in plan.values())
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
    for part, plan in plans.items():
        for written_bytes in _convert_part(draft / part, STEMS[part], plan):
            done_bytes += written_bytes
            report(done_bytes, total_bytes)
    if identity_of(source) != identity:
        raise ModelIncomplete(f"{source} changed while it was converted.", folder=str(source))
    sidecar = {"source": str(source), "identity": identity}
    (draft / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")


def _publish(draft: Path, into: Path) -> None:
    """Put a complete draft where the copy belongs; a kill in between leaves no copy, never half of one."""
    settle(draft)
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
    """Give weights that stay as they are a second name: no bytes, and they outlive the source."""
    target = draft / path.relative_to(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".safetensors":
        return False
    try:
        target.hardlink_to(path.resolve())
    except OSError:
        return False  # another disk, or one that has no links
    return True


Plan = dict[str, tuple[Path, Tensor]]


def _plan(files: list[Path]) -> Plan:
    return {name: (path, tensor) for path in files for name, tensor in header_of(path).items()}


def _narrow(tensor: Tensor) -> Tensor:
    return replace(tensor, dtype="BF16") if tensor.dtype in WIDER else tensor


def _convert_part(folder: Path, stem: str, plan: Plan) -> Iterator[int]:
    stretch = memoryview(bytearray(STRETCH_BYTES))
    with ExitStack() as open_files:
        files = {
            path: open_files.enter_context(path.open("rb", buffering=0)).fileno()
            for path in {path for path, _ in plan.values()}
        }

        def pieces(name: str) -> Iterator[memoryview]:
            path, tensor = plan[name]
            for begin in range(0, tensor.nbytes, STRETCH_BYTES):
                piece = stretch[: min(STRETCH_BYTES, tensor.nbytes - begin)]
                read_fully(files[path], piece, tensor.offset_bytes + begin)
                if tensor.dtype in WIDER:
                    numbers = np.frombuffer(piece, "<f4" if tensor.dtype == "F32" else "<f2")
                    yield to_bfloat16(numbers).data.cast("B")
                else:
                    yield piece

        tensors = {name: _narrow(tensor) for name, (_, tensor) in plan.items()}
        yield from write_part(folder, stem, tensors, pieces)
