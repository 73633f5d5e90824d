"""The shelf: every LoRA name people may type, and the one file it means.

Examines headers only, before any tensor is loaded: a regular file of the folder itself, of a sane size, with
pairs of matrices that fit this very model. What fails is set aside with its reason and harms nobody else.
Blocking (it hashes files): call it in a thread. Both sides use it, the host to offer names and the worker to
find the bytes again; a file is the same only while its sha256 is.
"""

import hashlib
import math
import os
import re
import stat
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.header import BadHeader, Flaw, Tensor, read_header
from engine.checkpoint.model import ModelInfo
from engine.errors import (
    LoraDamaged,
    LoraForAnotherModel,
    LoraNameRefused,
    LoraNotAFile,
    LoraPickled,
    LoraRejected,
    LoraTableRefused,
    LoraTooLarge,
    LoraTruncated,
    LoraUnsupported,
)
from engine.lora.keys import Part, module_names, read_key
from engine.printable import printable

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 2**30  # rank 128 on every linear of Z-Image-Turbo is 635 MB
MAX_RANK = 256  # the largest that trainers offer; beyond it the file is as large as a model
MAX_WEIGHT = 2.0
TABLE = "loras.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
SETTLED_NS = 2 * 10**9  # after a write: within one tick of the clock a second would not show
MOST_HASHES = 1024
_hashes: dict["_Stamp", str] = {}  # of this process; the oldest goes first
_DTYPES = {"F16", "BF16", "F32"}
_ONE = Tensor("F32", ())
_SHOWN = 3  # how many wrong names an error repeats
_ERRORS: dict[Flaw, type[LoraRejected]] = {
    Flaw.TRUNCATED: LoraTruncated,
    Flaw.PICKLED: LoraPickled,
    Flaw.TOO_LARGE: LoraTooLarge,
    Flaw.DAMAGED: LoraDamaged,
}


@dataclass(frozen=True, slots=True)
class LoraFile:
    """One LoRA that fits the model.

    Attributes:
        rank: The largest rank of its pairs.
        titles: Locale → what people call it; may be empty.
        trigger: The word that is put before the prompt; empty when none is needed.
        weight: The recommended strength.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    rank: int
    titles: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file on the shelf that is not offered, and why."""

    name: str
    error: LoraRejected


@dataclass(frozen=True, slots=True)
class Shelf:
    """What was found: name → file, and what was set aside."""

    files: Mapping[str, LoraFile]
    rejected: tuple[Rejected, ...] = ()


class _Entry(BaseModel):
    """One table of loras.toml."""

    model_config = ConfigDict(extra="forbid")

    title: dict[str, Annotated[str, Field(max_length=80)]] = {}
    trigger: Annotated[str, Field(max_length=200)] = ""
    weight: Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)] = 1.0


_TABLE = TypeAdapter(dict[str, _Entry])


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Tells one content of a file from another without reading it."""

    path: Path
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def read_shelf(folders: Sequence[Path], model: ModelInfo) -> Shelf:
    """Examine every ``*.safetensors`` of the folders; where two share a name, the first folder's is taken.

    Beside the files may lie a ``loras.toml``: ``[name]`` with ``title.en``, ``title.zh-CN``, ``trigger`` and
    ``weight``. Unchanged files are not hashed again.

    Raises:
        BadHeader: The model's own files broke since it was found; likewise OSError.
    """
    linears = linear_shapes(model.folder)
    files: dict[str, LoraFile] = {}
    rejected: list[Rejected] = []
    for folder in folders:
        table = _read_table(folder, rejected)
        for path in sorted(folder.glob("*.safetensors")):
            if path.stem in files:
                continue
            try:
                files[path.stem] = _examine(path, linears, table.get(path.stem, _Entry()))
            except LoraRejected as error:
                rejected.append(Rejected(printable(path.stem), error))
    for each in rejected:
        log.warning("lora set aside", lora=each.name, error=type(each.error).__name__, detail=str(each.error))
    return Shelf(files, tuple(rejected))


def _examine(path: Path, linears: Mapping[str, tuple[int, int]], entry: _Entry) -> LoraFile:
    name = path.stem
    if not _NAME.fullmatch(name):
        raise LoraNameRefused(name=name)
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            rank = _rank(_tensors(file, name), linears, name)
    except OSError as error:
        raise LoraNotAFile(f"The file cannot be read: {error.strerror}.", name=name) from error
    sha256 = _sha256(_stamp(path, status))
    return LoraFile(name, path, sha256, status.st_size, rank, entry.title, entry.trigger, entry.weight)


def _open(path: Path) -> BufferedReader:
    """Open a regular file of the shelf itself; no link is followed, no pipe is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LoraNotAFile(name=path.stem) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoraNotAFile(name=path.stem)
    return os.fdopen(descriptor, "rb")


def _tensors(file: BufferedReader, name: str) -> dict[str, Tensor]:
    size = os.fstat(file.fileno()).st_size
    if size > MAX_FILE_BYTES:
        raise LoraTooLarge(
            f"The file has {size} bytes, and {MAX_FILE_BYTES} are allowed.",
            name=name,
            limit=MAX_FILE_BYTES,
            found=size,
        )
    try:
        return read_header(file)
    except BadHeader as error:
        raise _ERRORS[error.flaw](str(error), name=name, **error.facts) from error


def _rank(tensors: Mapping[str, Tensor], linears: Mapping[str, tuple[int, int]], name: str) -> int:
    """Prove that the tensors are pairs of matrices for linears of this model, and say their largest rank."""
    modules = module_names(linears)
    pairs: dict[str, dict[Part, Tensor]] = {}
    strange = []
    for key, tensor in tensors.items():
        place = read_key(key)
        if place is None or tensor.dtype not in _DTYPES:
            strange.append(f"{key} {tensor.dtype}")
        else:
            pairs.setdefault(place.path, {})[place.part] = tensor
    unknown = [path for path in pairs if path not in modules]
    if unknown:
        raise LoraForAnotherModel(
            f"The LoRA changes modules that the model lacks: {_some(unknown)}.",
            name=name,
            found=_few(unknown),
        )
    strange += [path for path, pair in pairs.items() if not _is_pair(pair)]
    if strange or not pairs:
        what = f"these are no LoRA pairs of ours: {_some(strange)}" if strange else "it has no tensors"
        raise LoraUnsupported(f"The file cannot be loaded: {what}.", name=name, found=_few(strange))
    wrong = [
        path for path, pair in pairs.items() if not _fits(pair, [linears[each] for each in modules[path]])
    ]
    if wrong:
        raise LoraForAnotherModel(
            f"The LoRA's matrices have other sizes than the model's: {_some(wrong)}.",
            name=name,
            found=_few(wrong),
        )
    ranks = [pair[Part.DOWN].shape[0] for pair in pairs.values()]
    if min(ranks) < 1 or max(ranks) > MAX_RANK:
        raise LoraUnsupported(
            f"The LoRA's ranks are {min(ranks)} to {max(ranks)}, and 1 to {MAX_RANK} are allowed.",
            name=name, found=(str(max(ranks)),),
        )  # fmt: skip
    return max(ranks)


def _is_pair(pair: Mapping[Part, Tensor]) -> bool:
    """Two matrices that can be multiplied, and at most one number beside them."""
    if not pair.keys() >= {Part.DOWN, Part.UP} or math.prod(pair.get(Part.ALPHA, _ONE).shape) != 1:
        return False
    down, up = pair[Part.DOWN].shape, pair[Part.UP].shape
    return len(down) == len(up) == 2 and down[0] == up[1]


def _fits(pair: Mapping[Part, Tensor], linears: Sequence[tuple[int, int]]) -> bool:
    """``up @ down`` has the shape of the (out, in) linears, stacked where it is for several."""
    return all(pair[Part.DOWN].shape[1] == in_ for _, in_ in linears) and pair[Part.UP].shape[0] == sum(
        out for out, _ in linears
    )


def _stamp(path: Path, status: os.stat_result) -> _Stamp:
    return _Stamp(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def sha256_of(path: Path) -> str:
    """Hash a file, or remember its hash.

    Raises:
        LoraNotAFile: It is a link, a folder, or not there.
        LoraDamaged: It was written to meanwhile.
    """
    with _open(path) as file:
        status = os.fstat(file.fileno())
    return _sha256(_stamp(path, status))


def known_sha256(path: Path, status: os.stat_result) -> str | None:
    """The hash of a file, where this process has hashed it since it was last written; reads nothing.

    Args:
        path: As the shelf names it.
        status: Of the open file.
    """
    return _hashes.get(_stamp(path, status))


def _sha256(stamp: _Stamp) -> str:
    if stamp in _hashes:
        return _hashes[stamp]
    with _open(stamp.path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _stamp(stamp.path, os.fstat(file.fileno())) != stamp:
            raise LoraDamaged("The file changed while it was read.", name=stamp.path.stem)
    if time.time_ns() - stamp.ctime_ns > SETTLED_NS:
        _hashes[stamp] = digest
        if len(_hashes) > MOST_HASHES:
            del _hashes[next(iter(_hashes))]
    return digest


def _read_table(folder: Path, rejected: list[Rejected]) -> dict[str, _Entry]:
    """Read ``loras.toml``; a broken one is set aside whole, and its LoRAs have file names for titles."""
    path = folder / TABLE
    if not path.is_file():
        return {}
    try:
        return _TABLE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        places = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        rejected.append(Rejected(TABLE, LoraTableRefused(f"{path}: {'; '.join(places)}.", path=str(path))))
    except (OSError, ValueError) as error:
        rejected.append(Rejected(TABLE, LoraTableRefused(f"{path}: {error}.", path=str(path))))
    return {}


def _few(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name[:80] for name in names[:_SHOWN])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(_few(names)) + more
