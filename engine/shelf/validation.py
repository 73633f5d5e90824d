"""Proves what a LoRA file changes in this model, by its header alone.

All or nothing: a file of which only a part would take effect is refused, because its picture would look
right and be wrong. The shelf calls this before it offers a file, the worker before it converts one, so that
both take the same files; ``engine.lora.formats`` checks the numbers themselves.
"""

import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType

from engine.checkpoint.header import BadHeader, Flaw, Tensor, read_contents
from engine.errors import (
    LoraDamaged,
    LoraForAnotherModel,
    LoraForTextEncoder,
    LoraIncomplete,
    LoraNamedTwice,
    LoraNotAFile,
    LoraNotRegular,
    LoraPickled,
    LoraRankRefused,
    LoraRejected,
    LoraScaleRefused,
    LoraTooLarge,
    LoraTruncated,
    LoraUnsupported,
)
from engine.shelf.algorithms import MAX_RANK, ChangeKind, Product, is_complete, product_of, vector_length
from engine.shelf.layouts import Part, is_of_text_encoder, module_names, parse_tensor_name
from engine.shelf.metadata import WANTED, AdapterScale, adapter_scale

MAX_FILE_BYTES = 2**30  # rank 128 on every linear of Z-Image-Turbo is 635 MB
# All updates as they are held: a LoHa or a difference itself may be far larger than its file.
MAX_HELD_BYTES = 2 * 2**30
HELD_ITEM_BYTES = 2  # of a number in the model's format
NO_VECTORS: Mapping[str, int] = MappingProxyType({})
NO_METADATA: Mapping[str, str] = MappingProxyType({})
_FLOATS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
_NUMBERS = {*_FLOATS, "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"}
_SHOWN = 3  # how many wrong names an error repeats
_ERRORS: dict[Flaw, type[LoraRejected]] = {
    Flaw.TRUNCATED: LoraTruncated,
    Flaw.PICKLED: LoraPickled,
    Flaw.TOO_LARGE: LoraTooLarge,
    Flaw.DAMAGED: LoraDamaged,
}


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """One update of a file: all that it changes in a linear layer, in several fused ones, or in a norm.

    Attributes:
        path: The module as the file calls it.
        tensors: Part → the name of its tensor.
        modules: The model's modules that it changes: one, or several whose rows are stacked.
        product: The difference of a linear's weight; None if only a bias or a norm is changed.
        kinds: All kinds of changes.
        scale: The product's scale if the file has no alpha for it.
        numbers: How many are held in memory.
    """

    path: str
    tensors: Mapping[Part, str]
    modules: tuple[str, ...]
    product: Product | None
    kinds: frozenset[ChangeKind]
    scale: float
    numbers: int

    @property
    def rank(self) -> int:
        """The rank as which it is held; 0 if it is no low-rank update."""
        return self.product.held_rank if self.product else 0


def open_regular_file(path: Path) -> BufferedReader:
    """Open a regular file; follows no link and waits for no pipe.

    Raises:
        LoraNotAFile: It is a link, or it cannot be opened.
        LoraNotRegular: It is a folder, a device or a pipe.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LoraNotAFile(name=path.stem) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoraNotRegular(name=path.stem)
    return os.fdopen(descriptor, "rb")


def read_tensors(file: BufferedReader) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the header of a LoRA file: its tensors, and the metadata that ``engine.shelf.metadata`` reads.

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
        return read_contents(file, wanted=WANTED)
    except BadHeader as error:
        raise _ERRORS[error.flaw](str(error), **error.facts) from error


def find_layers(
    tensors: Mapping[str, Tensor],
    linears: Mapping[str, tuple[int, int]],
    vectors: Mapping[str, int] = NO_VECTORS,
    metadata: Mapping[str, str] = NO_METADATA,
) -> list[LoraLayer]:
    """Prove that each tensor is part of an update of this model that the worker can draw.

    Args:
        tensors: All tensors of the file, in any known layout.
        linears: The model's linears: path → (out, in).
        vectors: The model's norms and biases: name → length.
        metadata: Of the file.

    Raises:
        LoraForAnotherModel: Modules or shapes are not this model's.
        LoraForTextEncoder: Tensors are for the text encoder.
        LoraUnsupported: Its layout or number format is not supported.
        LoraIncomplete: Tensors that belong together are missing or do not fit each other.
        LoraRankRefused, LoraTooLarge: A rank, or all of its updates in memory, are too large.
        LoraScaleRefused: Its metadata contradict it or cannot be read, and it has no alpha.
        LoraNamedTwice: Two of its updates are for the same weights.
        Each has the facts ``why``, a word, and ``found``, the first few names that are wrong.
    """
    names, unknown = _grouped(tensors)
    modules = module_names(
        [*linears, *(name.removesuffix(".weight") for name in vectors if name.endswith(".weight"))]
    )
    foreign = [path for path in names if path not in modules]
    if foreign:
        text = "The LoRA changes modules that the model does not have"
        raise _refuse(LoraForAnotherModel, "unknown_modules", text, foreign)
    if unknown:
        text = "These tensors belong to no supported LoRA layout"
        raise _refuse(LoraUnsupported, "unknown_tensors", text, unknown)
    if not names:
        raise _refuse(LoraUnsupported, "empty", "The file has no tensors", [])
    parts = {path: {part: tensors[name] for part, name in own.items()} for path, own in names.items()}
    _require_numbers(parts)
    _require_parts(parts)
    _require_single(parts, modules)
    scale = _Scale(metadata)
    layers = [
        _layer(path, names[path], parts[path], _Target(modules[path], linears, vectors), scale)
        for path in names
    ]
    _require_memory(layers)
    return layers


def held_bytes(layers: Sequence[LoraLayer]) -> int:
    """Return the memory of a file's updates as the worker holds them."""
    return sum(layer.numbers for layer in layers) * HELD_ITEM_BYTES


def _grouped(tensors: Mapping[str, Tensor]) -> tuple[dict[str, dict[Part, str]], list[str]]:
    """Return the names of the tensors by module and part, and those of no known layout."""
    encoder = [name for name in sorted(tensors) if is_of_text_encoder(name)]
    if encoder:
        text = "These tensors are for the text encoder, which is not changed"
        raise _refuse(LoraForTextEncoder, "text_encoder", text, encoder)
    names: dict[str, dict[Part, str]] = {}
    unknown = []
    for name in sorted(tensors):
        parsed = parse_tensor_name(name)
        if parsed is None:
            unknown.append(name)
        elif parsed.part in names.setdefault(parsed.path, {}):
            raise _refuse(LoraNamedTwice, "named_twice", "Two tensors are for the same matrix", [name])
        else:
            names[parsed.path][parsed.part] = name
    return names, unknown


_Parts = Mapping[str, Mapping[Part, Tensor]]


def _require_numbers(parts: _Parts) -> None:
    """Refuse number formats that hold no weights, and alphas that are not one number."""
    formats, alphas = [], []
    for path, own in parts.items():
        for part, tensor in own.items():
            if tensor.dtype not in (_NUMBERS if part is Part.ALPHA else _FLOATS):
                formats.append(path)
            elif part is Part.ALPHA and math.prod(tensor.shape) != 1:
                alphas.append(path)
    if formats:
        text = "The numbers of these modules have an unsupported format"
        raise _refuse(LoraUnsupported, "number_format", text, formats)
    if alphas:
        raise _refuse(LoraUnsupported, "alpha", "The alpha of these modules is not one number", alphas)


def _require_parts(parts: _Parts) -> None:
    """Refuse modules whose tensors do not make one update."""
    wrong = [
        path
        for path, own in parts.items()
        if not is_complete({part: tensor.shape for part, tensor in own.items()})
    ]
    if wrong:
        text = "Tensors of these modules are missing, or belong to two updates"
        raise _refuse(LoraIncomplete, "incomplete", text, wrong)


def _require_single(parts: _Parts, modules: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse weights that two names change, as query alone and as part of a fused matrix."""
    paths: dict[str, list[str]] = {}
    for path in parts:
        for module in modules[path]:
            paths.setdefault(module, []).append(path)
    twice = sorted({path for own in paths.values() if len(own) > 1 for path in own})
    if twice:
        raise _refuse(LoraNamedTwice, "named_twice", "These names are for the same weights", twice)


@dataclass(frozen=True, slots=True)
class _Target:
    """The modules that one name means, in the model."""

    modules: tuple[str, ...]
    linears: Mapping[str, tuple[int, int]]
    vectors: Mapping[str, int]

    @property
    def shape(self) -> tuple[int, int] | None:
        """Of the weight whose rows are the modules'; None if it is a norm's."""
        shapes = [self.linears[module] for module in self.modules if module in self.linears]
        if len(shapes) < len(self.modules) or len({into for _, into in shapes}) > 1:
            return None
        return sum(out for out, _ in shapes), shapes[0][1]

    @property
    def length(self) -> int:
        """Of the norm."""
        return self.vectors.get(f"{self.modules[0]}.weight", 0)


class _Scale:
    """The scale of each layer by the metadata, which count only where the file has no alpha."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = metadata

    @cached_property
    def _stated(self) -> AdapterScale | None:
        return adapter_scale(self._metadata)

    def of(self, path: str, parts: Mapping[Part, Tensor], modules: Sequence[str], product: Product) -> float:
        if Part.ALPHA in parts or self._stated is None or Part.DIFF in parts:
            return 1.0
        if self._stated.has_magnitudes and Part.MAGNITUDE not in parts:
            text = "The metadata say DoRA, but these modules have no magnitudes"
            raise _refuse(LoraScaleRefused, "scale", text, [path])
        return self._stated.of((path, *modules), product.rank)


def _layer(
    path: str, names: Mapping[Part, str], parts: Mapping[Part, Tensor], target: _Target, scale: _Scale
) -> LoraLayer:
    """Prove the shapes of one module's update."""
    shapes = {part: tensor.shape for part, tensor in parts.items()}
    if target.shape is None:  # a norm
        if shapes.keys() != {Part.DIFF} or vector_length(shapes[Part.DIFF]) != target.length:
            raise _wrong_shape(path)
        kind = frozenset({ChangeKind.VECTOR})
        return LoraLayer(path, names, target.modules, None, kind, 1.0, target.length)
    out = target.shape[0]
    kinds: set[ChangeKind] = set()
    numbers = 0
    product = None
    if shapes.keys() - {Part.DIFF_BIAS}:
        product = product_of(shapes)
        if product is None:
            text = "The matrices of these modules do not fit each other"
            raise _refuse(LoraIncomplete, "not_matrices", text, [path])
        if product.shape != target.shape:
            raise _wrong_shape(path)
        kinds.add(product.kind)
        numbers += product.numbers(len(target.modules))
        _require_rank(path, product)
    if Part.MAGNITUDE in shapes:
        if vector_length(shapes[Part.MAGNITUDE]) != out:
            text = "The magnitudes of these modules are not those of a weight's rows"
            raise _refuse(LoraUnsupported, "magnitude", text, [path])
        kinds.add(ChangeKind.MAGNITUDE)
        numbers += out
    for part in {Part.UP_BIAS, Part.DIFF_BIAS} & shapes.keys():
        if vector_length(shapes[part]) != out:  # a layer without a bias gets one
            raise _wrong_shape(path)
        kinds.add(ChangeKind.BIAS)
        numbers += out
    strength = scale.of(path, parts, target.modules, product) if product else 1.0
    return LoraLayer(path, names, target.modules, product, frozenset(kinds), strength, numbers)


def _require_rank(path: str, product: Product) -> None:
    held = [product.held_rank] if product.kind is ChangeKind.LOW_RANK else []
    for rank in (product.rank, *held):
        if rank is not None and not 1 <= rank <= MAX_RANK:
            raise LoraRankRefused(
                f"The rank of {path[:80]} is {rank}; only 1 to {MAX_RANK} are allowed.",
                why="rank", found=(str(rank),),
            )  # fmt: skip


def _require_memory(layers: Sequence[LoraLayer]) -> None:
    """Refuse updates that need too much memory."""
    needed = held_bytes(layers)
    if needed > MAX_HELD_BYTES:
        raise LoraTooLarge(
            f"The LoRA needs {needed} bytes of memory; at most {MAX_HELD_BYTES} are allowed.",
            limit=MAX_HELD_BYTES, found=needed,
        )  # fmt: skip


def _wrong_shape(path: str) -> LoraRejected:
    text = "The LoRA's matrices have other sizes than the model's"
    return _refuse(LoraForAnotherModel, "shape", text, [path])


def _refuse(kind: type[LoraRejected], why: str, text: str, names: Sequence[str]) -> LoraRejected:
    found = tuple(name[:80] for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return kind(f"{text}: {', '.join(found)}{more}." if names else f"{text}.", why=why, found=found)
