"""The header reader: whole files are understood, and hostile ones cost nothing."""

import contextlib
import json
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.checkpoint import header as module
from engine.checkpoint.header import (
    MAX_HEADER_BYTES,
    MAX_METADATA,
    MAX_TENSORS,
    BadHeader,
    Flaw,
    Tensor,
    read_contents,
    read_header,
)
from tests.unit.engine.folders import header_of, lora_tensors, pack, safetensors

GOOD = safetensors({"a": ("F32", (2, 3)), "b": ("BF16", ()), "empty": ("F16", (0, 4))})


def read(path: Path, content: bytes) -> dict[str, Tensor]:
    path.write_bytes(content)
    with path.open("rb") as file:
        return read_header(file)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def flaw_of(path: Path, content: bytes) -> Flaw:
    with pytest.raises(BadHeader) as caught:
        read(path, content)
    return caught.value.flaw


def test_a_complete_file_is_accepted(path: Path) -> None:
    assert read(path, GOOD) == {
        "a": Tensor("F32", (2, 3)),
        "b": Tensor("BF16", ()),
        "empty": Tensor("F16", (0, 4)),
    }


def test_metadata_is_no_tensor_and_padding_is_allowed(path: Path) -> None:
    entries, size = header_of({"a": ("F32", (1,))})
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode() + b"   "
    assert list(read(path, pack(text, bytes(size)))) == ["a"]


def metadata_of(path: Path, metadata: object, *wanted: str) -> dict[str, str]:
    """The wanted metadata of a file with one tensor."""
    entries, size = header_of({"a": ("F32", (1,))})
    path.write_bytes(pack({"__metadata__": metadata, **entries}, bytes(size)))
    with path.open("rb") as file:
        return read_contents(file, wanted=wanted)[1]


def test_only_the_wanted_metadata_are_returned(path: Path) -> None:
    tags = json.dumps({"a picture": {'tag \\ " { } ,': 1, "人像": 2}})
    metadata = {"title": "Sugar 面部 \\", "tags": tags, "empty": ""}
    assert metadata_of(path, metadata, "tags", "title", "other") == {"tags": tags, "title": metadata["title"]}
    assert metadata_of(path, {}, "title") == {}


def test_metadata_larger_than_a_mebibyte_are_read(path: Path) -> None:
    tags = json.dumps({f"tag {number}": number for number in range(100_000)})
    assert len(tags) > 1.5 * 2**20
    assert metadata_of(path, {"ss_tag_frequency": tags, "title": "Sugar"}, "title") == {"title": "Sugar"}


@pytest.mark.parametrize("metadata", ["text", 7, None, ["a"], {"a": 7}, {"a": None}, {"a": {"b": "c"}}])
def test_metadata_that_are_no_strings_are_refused(path: Path, metadata: object) -> None:
    with pytest.raises(BadHeader) as caught:
        metadata_of(path, metadata, "a")
    assert caught.value.flaw is Flaw.DAMAGED


def test_too_many_metadata_are_refused(path: Path) -> None:
    many = {str(number): "" for number in range(MAX_METADATA + 1)}
    with pytest.raises(BadHeader) as caught:
        metadata_of(path, many)
    assert caught.value.flaw is Flaw.TOO_LARGE
    del many["0"]
    assert metadata_of(path, many) == {}


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}} x',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}{}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, '
        b'"a": {"dtype": "F32", "shape": [0], "data_offsets": [4, 4]}}',
        b'{a: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"\xff": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"__metadata__": {"a": "b"} "a": 1}',
        b'{"__metadata__": {"a": "b"',
        b'{"__metadata__": {"a": "b"}, "__metadata__": {"a": "b"}}',
        b'{"a": "\\',
    ],
)
def test_a_header_with_an_error_in_its_json_is_refused(path: Path, text: bytes) -> None:
    assert flaw_of(path, pack(text, bytes(4))) is Flaw.DAMAGED


@pytest.mark.parametrize("letter", [b"a", b"\\n"])
def test_a_name_of_more_than_a_thousand_letters_is_refused_undecoded(path: Path, letter: bytes) -> None:
    header = b'{"%s": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    assert len(read(path, pack(header % (letter * 1000), bytes(4)))) == 1
    with mock.patch.object(module, "from_json") as parser:
        assert flaw_of(path, pack(header % (letter * 1001), bytes(4))) is Flaw.DAMAGED
    parser.assert_not_called()


@pytest.mark.parametrize("length", [0, 1])
def test_a_header_without_a_length_reads_nothing_more(path: Path, length: int) -> None:
    assert flaw_of(path, struct.pack("<Q", length) + b'{"a": 1}' + bytes(100)) is Flaw.DAMAGED


def test_the_library_reads_the_same(path: Path) -> None:
    safetensors_library = pytest.importorskip("safetensors")
    path.write_bytes(GOOD)
    with safetensors_library.safe_open(path, "np") as file:
        assert sorted(file.keys()) == sorted(read(path, GOOD))


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 50, len(GOOD) - 27, len(GOOD) - 1])
def test_a_truncated_file_has_the_flaw_truncated(path: Path, cut: int) -> None:
    assert flaw_of(path, GOOD[:cut]) is Flaw.TRUNCATED


def test_a_file_with_bytes_after_its_tensors_is_refused(path: Path) -> None:
    assert flaw_of(path, GOOD + b"\0") is Flaw.TRUNCATED


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_renamed_pickle_is_recognised(path: Path, protocol: int) -> None:
    assert flaw_of(path, pickle.dumps({"weights": [1.0] * 100}, protocol)) is Flaw.PICKLED


def test_a_renamed_checkpoint_archive_is_recognised(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"cos\nsystem\n")
    assert flaw_of(path, path.read_bytes()) is Flaw.PICKLED


def test_a_header_whose_length_looks_like_a_pickle_is_no_pickle(path: Path) -> None:
    text = json.dumps(header_of({"a": ("F32", (1,))})[0]).encode()
    content = pack(text.ljust(0x0280), bytes(4))  # the length's first bytes are a pickle's
    assert content[:2] == b"\x80\x02"
    assert list(read(path, content)) == ["a"]


@pytest.mark.parametrize(
    "entries",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 4]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1] * 9, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1}},
        {"a": []},
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [2], "data_offsets": [2, 4]},
        },
    ],
)
def test_a_malformed_or_overlapping_entry_is_refused(path: Path, entries: object) -> None:
    assert flaw_of(path, pack(entries, bytes(4))) is Flaw.DAMAGED


@pytest.mark.parametrize("text", [b"{", b"{]", b'{"a":' * 5000, b"{" + b"9" * 5000, b'{"a": NaN}'])
def test_a_header_that_is_no_json_is_refused(path: Path, text: bytes) -> None:
    assert flaw_of(path, pack(text)) is Flaw.DAMAGED


def test_too_many_tensors_are_refused(path: Path) -> None:
    many = {str(number): ("F32", (0,)) for number in range(MAX_TENSORS + 1)}
    assert flaw_of(path, safetensors(many)) is Flaw.TOO_LARGE


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 100_000_000, 2**63, 2**64 - 1])
def test_a_header_bomb_is_refused_by_its_length_alone(path: Path, length: int) -> None:
    assert flaw_of(path, struct.pack("<Q", length) + b'{"a": 1}') is Flaw.TOO_LARGE


def test_the_largest_header_we_read_costs_little(path: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({str(number): entry for number in range(15_000)}).encode()
    path.write_bytes(pack(text[: MAX_HEADER_BYTES - 1] if len(text) > MAX_HEADER_BYTES else text))
    tracemalloc.start()
    started_s = time.process_time()
    with contextlib.suppress(BadHeader), path.open("rb") as file:
        read_header(file)
    seconds, (_, peak) = time.process_time() - started_s, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2  # some 0.1 s; tracing memory and a busy machine take the rest
    assert peak < 32 * 2**20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_a_file_with_changed_bytes_is_read_or_refused(path: Path, data: st.DataObject) -> None:
    content = bytearray(safetensors(lora_tensors()))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, 400))
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    with contextlib.suppress(BadHeader):
        read(path, bytes(content[:end]))
