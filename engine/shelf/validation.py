"""Proves that a file is a plain LoRA for this model, by its header alone.

All or nothing: a file of which only a part would take effect is refused, because its picture would look
right and be wrong. Other kinds of layers (LoKr, LoHa, DoRA, biases) are refused. The shelf calls this before
it offers a file, the worker before it converts one; ``engine.lora.formats`` checks the numbers themselves.
"""

import math
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from engine.checkpoint.header import BadHeader, Flaw, Tensor, read_header
from engine.errors import (
    LoraDamaged,
    LoraForAnotherModel,
    LoraNotAFile,
    LoraPickled,
    LoraRejected,
    LoraTooLarge,
    LoraTruncated,
    LoraUnsupported,
)
from engine.shelf.layouts import Part, module_names, parse_tensor_name

MAX_FILE_BYTES = 2**30  # rank 128 on every linear of Z-Image-Turbo is 635 MB
MAX_RANK = 256  # the largest that trainers offer; beyond it the file is as large as a model
_DTYPES = {"F16", "BF16", "F32"}
_SHOWN = 3  # how many wrong names an error repeats
_NO_PAIRS = "These tensors are not pairs of a supported LoRA layout"
_ERRORS: dict[Flaw, type[LoraRejected]] = {
    Flaw.TRUNCATED: LoraTruncated,
    Flaw.PICKLED: LoraPickled,
    Flaw.TOO_LARGE: LoraTooLarge,
    Flaw.DAMAGED: LoraDamaged,
}


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """One pair of matrices of a file.

    Attributes:
        path: The module as the file calls it.
        tensors: Part → the name of its tensor; ``Part.ALPHA`` may be absent.
        modules: The model's linears that the pair changes: one, or several whose rows are stacked.
    """

    path: str
    tensors: Mapping[Part, str]
    modules: tuple[str, ...]
    rank: int


def open_regular_file(path: Path) -> BufferedReader:
    """Open a regular file; follows no link and waits for no pipe.

    Raises:
        LoraNotAFile: It is anything else, or it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LoraNotAFile(name=path.stem) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoraNotAFile(name=path.stem)
    return os.fdopen(descriptor, "rb")


def read_tensors(file: BufferedReader) -> dict[str, Tensor]:
    """Read the header of a LoRA file.

    Raises:
        LoraTooLarge: The file, its header or the number of its tensors is too large.
        LoraDamaged: It is not an intact safetensors file.
        OSError: It cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    if size > MAX_FILE_BYTES:
        raise LoraTooLarge(
            f"The file has {size} bytes; at most {MAX_FILE_BYTES} are allowed.",
            limit=MAX_FILE_BYTES,
            found=size,
        )
    try:
        return read_header(file)
    except BadHeader as error:
        raise _ERRORS[error.flaw](str(error), **error.facts) from error


def find_layers(tensors: Mapping[str, Tensor], linears: Mapping[str, tuple[int, int]]) -> list[LoraLayer]:
    """Prove that the tensors are pairs of matrices for linears of this model.

    Args:
        tensors: All tensors of the file, in any known layout.
        linears: The model's linears: path → (out, in).

    Raises:
        LoraForAnotherModel: Modules or shapes are not this model's.
        LoraUnsupported: It holds something else than plain LoRA pairs, or a rank is too large.
        LoraDamaged: Two of its tensors are for the same matrix.
        Each has the facts ``why``, a word, and ``found``, the first few names that are wrong.
    """
    names: dict[str, dict[Part, str]] = {}
    unknown = []
    for name in sorted(tensors):
        parsed = parse_tensor_name(name)
        if parsed is None:
            unknown.append(name)
        elif parsed.part in names.setdefault(parsed.path, {}):
            raise _refuse(LoraDamaged, "named_twice", "Two tensors are for the same matrix", [name])
        else:
            names[parsed.path][parsed.part] = name
    modules = module_names(linears)
    foreign = [path for path in names if path not in modules]
    if foreign:
        text = "The LoRA changes modules that the model does not have"
        raise _refuse(LoraForAnotherModel, "unknown_modules", text, foreign)
    if unknown:
        raise _refuse(LoraUnsupported, "unknown_tensors", _NO_PAIRS, unknown)
    if not names:
        raise _refuse(LoraUnsupported, "empty", "The file has no tensors", [])
    pairs = {path: {part: tensors[name] for part, name in parts.items()} for path, parts in names.items()}
    _require_pairs(pairs)
    _require_ranks([pair[Part.DOWN].shape[0] for pair in pairs.values()])
    _require_shapes(pairs, modules, linears)
    return [
        LoraLayer(path, parts, modules[path], pairs[path][Part.DOWN].shape[0])
        for path, parts in names.items()
    ]


def _require_pairs(pairs: Mapping[str, Mapping[Part, Tensor]]) -> None:
    """Refuse what is not two matrices that can be multiplied, and at most one number beside them."""
    flaws: dict[str, list[str]] = {}
    for path, pair in pairs.items():
        down, up, alpha = (pair.get(part) for part in (Part.DOWN, Part.UP, Part.ALPHA))
        if down is None or up is None:
            flaws.setdefault("half_a_pair", []).append(path)
        elif any(tensor.dtype not in _DTYPES for tensor in pair.values()):
            flaws.setdefault("number_format", []).append(path)
        elif len(down.shape) != 2 or len(up.shape) != 2:
            flaws.setdefault("not_linear", []).append(path)
        elif down.shape[0] != up.shape[1]:
            flaws.setdefault("half_a_pair", []).append(path)
        elif alpha is not None and math.prod(alpha.shape) != 1:
            flaws.setdefault("alpha", []).append(path)
    if flaws:
        why, paths = next(iter(flaws.items()))
        raise _refuse(LoraUnsupported, why, _NO_PAIRS, paths)


def _require_ranks(ranks: Sequence[int]) -> None:
    if min(ranks) < 1 or max(ranks) > MAX_RANK:
        raise LoraUnsupported(
            f"The LoRA's ranks are {min(ranks)} to {max(ranks)}; only 1 to {MAX_RANK} are allowed.",
            why="rank", found=(str(max(ranks)),),
        )  # fmt: skip


def _require_shapes(
    pairs: Mapping[str, Mapping[Part, Tensor]],
    modules: Mapping[str, tuple[str, ...]],
    linears: Mapping[str, tuple[int, int]],
) -> None:
    """Refuse pairs whose product has not the shape of their linears, and linears that two pairs change."""
    wrong = []
    for path, pair in pairs.items():
        rows = sum(linears[module][0] for module in modules[path])
        columns = {linears[module][1] for module in modules[path]}
        if {pair[Part.DOWN].shape[1]} != columns or pair[Part.UP].shape[0] != rows:
            wrong.append(path)
    if wrong:
        text = "The LoRA's matrices have other sizes than the model's"
        raise _refuse(LoraForAnotherModel, "shape", text, wrong)
    changes = Counter(module for path in pairs for module in modules[path])
    twice = [module for module, count in changes.items() if count > 1]
    if twice:
        raise _refuse(LoraDamaged, "named_twice", "Two pairs change the same module", twice)


def _refuse(kind: type[LoraRejected], why: str, text: str, names: Sequence[str]) -> LoraRejected:
    found = tuple(name[:80] for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return kind(f"{text}: {', '.join(found)}{more}." if names else f"{text}.", why=why, found=found)
