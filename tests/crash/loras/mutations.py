"""LoRA files as an attacker changes them: header, names, shapes, numbers, metadata and bytes."""

import copy
import json
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I8": 1, "BOOL": 1}
NAMES = (
    "", ".", "..", "../../etc/passwd", "\x00", "\x1b[31m", "\u202egpj", "a" * 5_000, "__metadata__",
    "lora_A.weight", "transformer.lora_A.weight", "layers.0.attention.to_q", "lora_unet_.alpha",
    "transformer.layers.0.attention.to_q.lora_A.\u202e.weight", "text_encoder.lora_A.weight", "%s%n",
    "\ud800", "__proto__",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 3, 1024, 1025, 2**31, 2**48, 2**53, 2**63, 2**64, 10**400, 1.5, 1e308, "4", None, True,
    [], {}, [[1]],
)  # fmt: skip
SCALES: tuple[Any, ...] = (
    0, -1, 1, 4, 1e-45, 1e38, 1e308, "1", None, True, [], {"a": 1}, float("nan"), float("inf"), 10**400,
)  # fmt: skip
ALPHAS = (0.0, -0.0, -1.0, 1e-45, 1e38, 3e38, float("nan"), float("inf"), float("-inf"))
PATTERNS = (".*", "to_q", "layers.0.attention.to_q", "(a+)+$", "", "\x00", "é", "x" * 10_000)


@dataclass
class LoraContent:
    """A file taken apart: ``entries`` are the header's members in order, perhaps with equal names."""

    entries: list[tuple[str, Any]]
    metadata: Any
    data: bytes

    def packed(self) -> bytes:
        members = [(name, json.dumps(value)) for name, value in self.entries]
        if self.metadata is not None:
            members.append(("__metadata__", json.dumps(self.metadata)))
        text = ",".join(f"{json.dumps(name)}:{value}" for name, value in members)
        header = f"{{{text}}}".encode()
        return struct.pack("<Q", len(header)) + header + self.data


def taken_apart(content: bytes) -> LoraContent:
    """Return the parts of an intact file."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", None)
    return LoraContent(list(header.items()), metadata, content[8 + length :])


def mutated(files: Sequence[bytes], random: Random) -> tuple[str, bytes]:
    """Return a file with one to three changes, and their names."""
    content = taken_apart(random.choice(files))
    other = taken_apart(random.choice(files))
    names = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change = random.choice(STRUCTURED)
        names.append(change.__name__)
        if content.entries:
            change(content, other, random)
    if random.random() < 0.7:
        _lay_out_again(content)
        names.append("laid out again")
    packed = content.packed()
    if random.random() < 0.15:
        raw = random.choice(RAW)
        names.append(raw.__name__)
        packed = raw(packed, other.packed(), random)
    return ", ".join(names), packed


def _lay_out_again(content: LoraContent) -> None:
    """Make the offsets true, so that a change reaches the checks behind the header's."""
    position, pieces = 0, []
    for _, entry in content.entries:
        try:
            nbytes = math.prod(entry["shape"]) * DTYPES[entry["dtype"]]
            begin, end = entry["data_offsets"]
            piece = content.data[begin:end][:nbytes] if 0 <= nbytes <= 2**20 else b""
            if not 0 <= nbytes <= 2**20:
                continue
        except (TypeError, ValueError, KeyError):
            continue
        pieces.append(piece.ljust(nbytes, b"\x3c"))
        entry["data_offsets"] = [position, position + nbytes]
        position += nbytes
    content.data = b"".join(pieces)


def _strange_number(random: Random) -> Any:
    """Return a copy, because a later change may write into a list."""
    return copy.deepcopy(random.choice(NUMBERS))


def _entry(content: LoraContent, random: Random) -> tuple[int, str, Any]:
    place = random.randrange(len(content.entries))
    name, entry = content.entries[place]
    return place, name, entry if isinstance(entry, dict) else {}


def another_dtype(content: LoraContent, other: LoraContent, random: Random) -> None:
    _entry(content, random)[2]["dtype"] = random.choice((*DTYPES, "F128", "", 4, None))


def every_dtype(content: LoraContent, other: LoraContent, random: Random) -> None:
    dtype = random.choice(tuple(DTYPES))
    for _, entry in content.entries:
        if isinstance(entry, dict):
            entry["dtype"] = dtype


def another_shape(content: LoraContent, other: LoraContent, random: Random) -> None:
    entry = _entry(content, random)[2]
    shape = entry.get("shape")
    shape = list(shape) if isinstance(shape, list) else []
    match random.randrange(6):
        case 0:
            shape.reverse()
        case 1:
            shape.append(_strange_number(random))
        case 2 if shape:
            shape[random.randrange(len(shape))] = _strange_number(random)
        case 3:
            shape = [1] * random.randrange(20) + shape
        case 4:
            shape = shape[1:]
        case _:
            entry["shape"] = _strange_number(random)
            return
    entry["shape"] = shape


def another_rank(content: LoraContent, other: LoraContent, random: Random) -> None:
    """Give one side of one tensor another length; with true offsets only the other side tells."""
    shape = _entry(content, random)[2].get("shape")
    if isinstance(shape, list) and shape:
        shape[random.randrange(len(shape))] = random.choice((0, 1, 2, 3, 5, 8, 17, 257, 1025))


def other_offsets(content: LoraContent, other: LoraContent, random: Random) -> None:
    entry = _entry(content, random)[2]
    offsets = entry.get("data_offsets")
    if isinstance(offsets, list) and len(offsets) == 2 and random.random() < 0.7:
        shift = random.choice((-4, -1, 1, 4, 4096))
        offsets[:] = [each + shift if isinstance(each, int) else each for each in offsets]
    else:
        entry["data_offsets"] = [_strange_number(random), _strange_number(random)]


def another_name(content: LoraContent, other: LoraContent, random: Random) -> None:
    place, name, entry = _entry(content, random)
    match random.randrange(5):
        case 0:
            name = random.choice(NAMES)
        case 1:
            name = random.choice(("transformer.", "lycoris_", "lora_unet_", "diffusion_model.", "x.")) + name
        case 2:
            name = random.choice(content.entries)[0]
        case 3:
            stem, _, ending = name.rpartition(".")
            name = (
                f"{stem}.{random.choice(('alpha', 'diff', 'lokr_w1', 'dora_scale', 'lora_B.bias', ending))}"
            )
        case _:
            place_in = random.randrange(len(name) + 1)
            name = name[:place_in] + chr(random.choice((0, 10, 0x202E, 0x1F600, 0xE9))) + name[place_in:]
    content.entries[place] = (name, entry)


def one_missing(content: LoraContent, other: LoraContent, random: Random) -> None:
    del content.entries[random.randrange(len(content.entries))]


def one_of_another_file(content: LoraContent, other: LoraContent, random: Random) -> None:
    if other.entries:
        content.entries.append(random.choice(other.entries))


def one_twice(content: LoraContent, other: LoraContent, random: Random) -> None:
    content.entries.append(random.choice(content.entries))


def two_swapped(content: LoraContent, other: LoraContent, random: Random) -> None:
    (one, name, entry), (two, other_name, other_entry) = _entry(content, random), _entry(content, random)
    content.entries[one], content.entries[two] = (name, other_entry), (other_name, entry)


def strange_entry(content: LoraContent, other: LoraContent, random: Random) -> None:
    place, name, entry = _entry(content, random)
    strange: Any = random.choice((_strange_number(random), {**entry, "more": 1}, {"dtype": "F32"}))
    content.entries[place] = (name, strange)


def other_numbers(content: LoraContent, other: LoraContent, random: Random) -> None:
    """Write numbers that are not finite, huge or zero over a tensor."""
    entry = _entry(content, random)[2]
    offsets = entry.get("data_offsets")
    if isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(each, int) for each in offsets):
        begin, end = (max(0, min(each, len(content.data))) for each in offsets)
        fill = random.choice((b"\x00", b"\xff", b"\x7f", b"\x7c", random.randbytes(1)))
        content.data = content.data[:begin] + fill * max(0, end - begin) + content.data[end:]


def other_alpha(content: LoraContent, other: LoraContent, random: Random) -> None:
    name = random.choice(content.entries)[0]
    stem = name.rpartition(".lora")[0] or name.rpartition(".")[0]
    begin = len(content.data)
    content.data += struct.pack("<f", random.choice(ALPHAS))
    entry = {"dtype": "F32", "shape": random.choice(([], [1], [1, 1])), "data_offsets": [begin, begin + 4]}
    content.entries = [each for each in content.entries if each[0] != f"{stem}.alpha"]
    content.entries.append((f"{stem}.alpha", entry))


def other_metadata(content: LoraContent, other: LoraContent, random: Random) -> None:
    match random.randrange(6):
        case 0:
            content.metadata = random.choice((*NUMBERS, "text", {"a": 1}, {"a": {"b": "c"}}, {"a": None}))
        case 1:
            content.metadata = {str(each): "x" for each in range(random.choice((10, 1_023, 1_024, 2_000)))}
        case 2:
            content.metadata = {"modelspec.title": random.choice(NAMES), "trigger_word": "\x1b]0;x\x07" * 99}
        case 3:
            depth = random.choice((10, 1_000, 100_000))
            content.metadata = {"lora_adapter_metadata": "[" * depth + "]" * depth}
        case _:
            keys = ("r", "lora_alpha", "alpha", "use_rslora", "use_dora", "peft_type", "init_lora_weights")
            stated: dict[str, Any] = {key: random.choice(SCALES) for key in random.sample(keys, 3)}
            if random.random() < 0.5:
                for each in ("rank_pattern", "alpha_pattern"):
                    stated[each] = {random.choice(PATTERNS): random.choice(SCALES) for _ in range(3)}
            if random.random() < 0.3:
                stated["peft_type"] = random.choice(("LORA", "LOHA", "LOKR", "BOFT", "lora", "", "\x00"))
            prefix = random.choice(("", "transformer.", "text_encoder."))
            text = json.dumps({prefix + key: value for key, value in stated.items()})
            content.metadata = {"lora_adapter_metadata": text}


STRUCTURED: tuple[Callable[[LoraContent, LoraContent, Random], None], ...] = (
    another_dtype, every_dtype, another_shape, another_rank, other_offsets, another_name, one_missing,
    one_of_another_file, one_twice, two_swapped, strange_entry, other_numbers, other_alpha, other_metadata,
)  # fmt: skip


def cut(content: bytes, other: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def longer(content: bytes, other: bytes, random: Random) -> bytes:
    return content + random.randbytes(random.randint(1, 64))


def bits_flipped(content: bytes, other: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 16)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def header_scratched(content: bytes, other: bytes, random: Random) -> bytes:
    """Change, insert or remove single bytes of the JSON."""
    (length,) = struct.unpack("<Q", content[:8])
    text = bytearray(content[8 : 8 + length])
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(text) or 1)
        text[place : place + random.randrange(2)] = random.choice(
            (b"", b"{", b"}", b"[", b'"', b"\\", b",", b"-", b"e9", b"\x00", b"\xff", b"NaN", b"\\ud800")
        )
    return struct.pack("<Q", len(text)) + bytes(text) + content[8 + length :]


def another_length(content: bytes, other: bytes, random: Random) -> bytes:
    length = random.choice((0, 1, 2, 2**20, 2**22, 2**22 + 1, 10**8, 2**63, 2**64 - 1, len(content)))
    return struct.pack("<Q", length) + content[8:]


def spliced(content: bytes, other: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))] + other[random.randrange(len(other)) :]


def a_block_overwritten(content: bytes, other: bytes, random: Random) -> bytes:
    begin = random.randrange(len(content))
    block = random.randbytes(random.randint(1, 256))
    return content[:begin] + block + content[begin + len(block) :]


RAW: tuple[Callable[[bytes, bytes, Random], bytes], ...] = (
    cut, longer, bits_flipped, header_scratched, another_length, spliced, a_block_overwritten,
)  # fmt: skip
