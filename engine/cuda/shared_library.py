"""Shared libraries in the ELF format (64 bits, little-endian): what one needs, and one that does nothing.

The layout is that of the System V ABI's chapters 4 and 5 and its GNU extensions for symbol versions.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNKNOWN_ERROR = 999  # cudaErrorUnknown; the other CUDA libraries, too, report an error by any value except 0

_FUNCTIONS = {62: b"\xb8%s\xc3", 183: b"%s\xc0\x03\x5f\xd6"}  # x86-64: mov eax, …; ret. AArch64: …; ret
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_HEAD = struct.Struct("<16sHHIQQQIHHHHHH")
_STRING_TABLE, _DYNAMIC_SECTION, _SYMBOL_TABLE = 3, 6, 11  # section types
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551  # segment types
_NEEDED, _HASH, _STRINGS, _SYMBOLS, _STRINGS_BYTES, _SYMBOL_BYTES, _SONAME, _FOLDERS = (
    1,
    4,
    5,
    6,
    10,
    11,
    14,
    29,
)
_OWN_FOLDER = "$ORIGIN"
_PAGE = 2**16  # the largest page of either machine


class NotALibrary(Exception):
    """The file is no shared library of this kind."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a shared library expects of others.

    Attributes:
        machine: ELF's number of the processor.
        needed: The libraries that must be loaded with it.
        undefined: The symbols that it uses and does not have.
        defined: The symbols that it has.
    """

    machine: int
    needed: tuple[str, ...]
    undefined: frozenset[str]
    defined: frozenset[str]


def read_dependencies(path: Path) -> Dependencies:
    """Read what a shared library expects of others.

    Raises:
        NotALibrary: The file has another format, or is damaged.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        try:
            head = _HEAD.unpack(read(0, _HEAD.size))
            if head[0][:6] != b"\x7fELF\x02\x01":
                raise NotALibrary(str(path))
            machine, sections_at, count = head[2], head[6], head[12]
            table = read(sections_at, _SECTION.size * count)
            sections = [_SECTION.unpack_from(table, _SECTION.size * index) for index in range(count)]
            needed: list[str] = []
            undefined, defined = set[str](), set[str]()
            for _, kind, _, _, offset, size, link, _, _, _ in sections:
                if kind not in (_SYMBOL_TABLE, _DYNAMIC_SECTION):
                    continue
                content, strings = read(offset, size), read(sections[link][4], sections[link][5])
                if kind == _DYNAMIC_SECTION:
                    entries = struct.iter_unpack("<qQ", content)
                    needed += [_text_at(strings, value) for tag, value in entries if tag == _NEEDED]
                    continue
                for name, _, _, section, _, _ in _SYMBOL.iter_unpack(content):
                    (defined if section else undefined).add(_text_at(strings, name))
        except (struct.error, IndexError, ValueError) as error:
            raise NotALibrary(str(path)) from error
    return Dependencies(machine, tuple(needed), frozenset(undefined - {""}), frozenset(defined))


def build_library(name: str, machine: int, functions: Sequence[str], needed: Sequence[str]) -> bytes:
    """Return a shared library whose functions all return ``UNKNOWN_ERROR``.

    Args:
        name: Its file name.
        machine: ELF's number of the processor, 62 (x86-64) or 183 (AArch64).
        functions: The functions that it has; they have no versions.
        needed: The libraries that are loaded with it, from its own folder.
    """
    strings, at = bytearray(1), dict[str, int]()
    for text in (name, _OWN_FOLDER, *needed, *functions):
        if text not in at:
            at[text] = len(strings)
            strings += text.encode() + b"\0"
    body = _function(machine)
    code_at = _HEAD.size + 4 * _SEGMENT.size
    symbols_at = _aligned(code_at + len(body), 8)
    symbols = bytes(_SYMBOL.size) + b"".join(
        _SYMBOL.pack(at[function], 0x12, 0, 1, code_at, len(body)) for function in functions
    )  # global functions of a section that need not exist
    strings_at = symbols_at + len(symbols)
    hash_at = _aligned(strings_at + len(strings), 8)
    hash_table = _hash_table(functions)
    dynamic_at = _aligned(hash_at + len(hash_table), _PAGE)  # the loader writes to it, so it has its own page
    entries = [
        *((_NEEDED, at[library]) for library in needed),
        (_SONAME, at[name]),
        (_FOLDERS, at[_OWN_FOLDER]),
        (_HASH, hash_at),
        (_STRINGS, strings_at),
        (_SYMBOLS, symbols_at),
        (_STRINGS_BYTES, len(strings)),
        (_SYMBOL_BYTES, _SYMBOL.size),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    sections_at = _aligned(dynamic_at + len(dynamic), 8)  # for tools; the loader does not read them
    sections = bytes(_SECTION.size) + b"".join(
        _SECTION.pack(0, kind, 0, offset, offset, len(part), link, 0, 8, size)
        for kind, offset, part, link, size in (
            (_STRING_TABLE, strings_at, strings, 0, 0),
            (_SYMBOL_TABLE, symbols_at, symbols, 1, _SYMBOL.size),
            (_DYNAMIC_SECTION, dynamic_at, dynamic, 1, 16),
        )
    )
    kind = b"\x7fELF\x02\x01\x01"
    head = _HEAD.pack(
        kind, 3, machine, 1, 0, _HEAD.size, sections_at, 0, _HEAD.size, _SEGMENT.size, 4, _SECTION.size, 4, 1
    )
    read_only = _segment(_LOAD, 5, 0, hash_at + len(hash_table), _PAGE)
    writable = _segment(_LOAD, 6, dynamic_at, len(dynamic), _PAGE)
    segments = read_only + writable + _segment(_DYNAMIC, 6, dynamic_at, len(dynamic), 8)
    content = bytearray(sections_at + len(sections))
    for offset, part in (
        (0, head + segments + _segment(_STACK, 6, 0, 0, 16)),
        (code_at, body),
        (symbols_at, symbols),
        (strings_at, strings),
        (hash_at, hash_table),
        (dynamic_at, dynamic),
        (sections_at, sections),
    ):
        content[offset : offset + len(part)] = part
    return bytes(content)


def _function(machine: int) -> bytes:
    number = struct.pack("<I", UNKNOWN_ERROR if machine == 62 else 0x52800000 | UNKNOWN_ERROR << 5)
    return _FUNCTIONS[machine].replace(b"%s", number)


def _hash_table(names: Sequence[str]) -> bytes:
    """Chain the symbols of each bucket; symbol 0 is no symbol and ends a chain."""
    buckets, chain = [0] * max(1, len(names) // 2), [0] * (len(names) + 1)
    for index, name in enumerate(names, 1):
        bucket = _hash(name) % len(buckets)
        chain[index], buckets[bucket] = buckets[bucket], index
    return struct.pack(f"<{2 + len(buckets) + len(chain)}I", len(buckets), len(chain), *buckets, *chain)


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def _segment(kind: int, access: int, offset: int, size: int, alignment: int) -> bytes:
    return _SEGMENT.pack(kind, access, offset, offset, offset, size, size, alignment)


def _text_at(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode()


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
