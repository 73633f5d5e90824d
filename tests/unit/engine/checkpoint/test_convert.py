"""A copy in bfloat16: its numbers, what it is made of, when it counts, and what a broken run leaves."""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.checkpoint import convert as module
from engine.checkpoint.contents import header_of, linear_shapes, missing_parts, weight_files
from engine.checkpoint.convert import convert, to_bfloat16
from engine.checkpoint.copies import CopyState, copy_folder, copy_state, parts_to_convert
from engine.checkpoint.model import built_in_lora_folder, find_model, find_source
from engine.config import EngineConfig
from engine.errors import ConversionRunning, ModelIncomplete, NoRoomForCopy
from tests.unit.engine.folders import write_model

ROUNDED = {  # float32 bits → bfloat16 bits
    0x3F800000: 0x3F80,  # 1
    0x3F808000: 0x3F80,  # half way, down to even
    0x3F818000: 0x3F82,  # half way, up to even
    0x3F808001: 0x3F81,
    0xBF807FFF: 0xBF80,
    0x7F7FFFFF: 0x7F80,  # the largest number rounds to infinity
    0x7F800000: 0x7F80,
    0xFF800000: 0xFF80,
    0x80000000: 0x8000,  # minus zero
    0x00000001: 0x0000,  # the smallest number
    0x00018000: 0x0002,
}


def silent(done_bytes: int, total_bytes: int) -> None:
    pass


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    source = write_model(tmp_path / "named by the host", limits={"native_width_px": 1024})
    (source / "loras").mkdir()
    (source / "transformer" / "left over.fp16.safetensors").write_bytes(b"x")
    return EngineConfig(tmp_path / "data", lora_dir=tmp_path / "loras", model=str(source), device="cuda")


def test_rounding_is_to_the_nearest_and_halves_to_even() -> None:
    numbers = np.array(list(ROUNDED), dtype="<u4").view("<f4")
    assert to_bfloat16(numbers).tolist() == list(ROUNDED.values())


@pytest.mark.parametrize("bits", [0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF80FFFF])
def test_nan_stays_nan(bits: int) -> None:
    (rounded,) = to_bfloat16(np.array([bits], dtype="<u4").view("<f4")).tolist()
    assert np.isnan(struct.unpack("<f", struct.pack("<I", rounded << 16))[0])


def test_the_copy_is_preferred_and_everything_works_with_it(config: EngineConfig) -> None:
    source = find_model(config)
    assert source == find_source(config)
    assert set(parts_to_convert(source.folder)) == {"transformer", "vae"}
    steps: list[tuple[int, int]] = []
    folder = convert(source, config.data_dir, lambda done, total: steps.append((done, total)))
    found = find_model(config)
    assert found.folder == folder.resolve()
    assert (found.name, found.native_width_px) == (source.name, 1024)
    assert built_in_lora_folder(found) == built_in_lora_folder(source) == source.folder / "loras"
    assert missing_parts(folder) == []
    assert parts_to_convert(folder) == {}
    assert linear_shapes(folder) == linear_shapes(source.folder)
    assert steps[-1][0] == steps[-1][1]
    assert not list(folder.rglob("*fp16*"))
    text = Path("text_encoder", "model.safetensors")
    assert (folder / text).samefile(source.folder / text)  # was bfloat16 already: no second copy on the disk
    assert find_model(config.__class__(**{**as_dict(config), "device": "cpu"})) == source


def as_dict(config: EngineConfig) -> Mapping[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}


def test_the_numbers_are_the_sources_rounded(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 24)  # so that tensors come in several pieces
    source = find_source(config)
    folder = convert(source, config.data_dir, silent)

    def numbers(model: Path) -> dict[str, bytes]:
        return {
            name: path.read_bytes()[tensor.offset_bytes :][: tensor.nbytes]
            for part in ("transformer", "vae")
            for path in weight_files(model, part)
            for name, tensor in header_of(path).items()
        }

    wide, narrow = numbers(source.folder), numbers(folder)
    assert wide.keys() == narrow.keys()
    for name in wide:
        assert narrow[name] == to_bfloat16(np.frombuffer(wide[name], "<f4")).tobytes()


def test_without_links_the_files_are_copied(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    source = find_source(config)
    folder = convert(source, config.data_dir, silent)
    text = Path("text_encoder", "model.safetensors")
    assert (folder / text).read_bytes() == (source.folder / text).read_bytes()
    assert not (folder / text).samefile(source.folder / text)


@pytest.mark.parametrize("name", ["vae/config.json", "transformer/diffusion_pytorch_model-00002-of-00002"])
def test_a_copy_of_a_changed_source_is_not_used(config: EngineConfig, name: str) -> None:
    source = find_source(config)
    folder = convert(source, config.data_dir, silent)
    (path,) = source.folder.glob(f"{name}*")
    os.utime(path, ns=(1, 1))
    assert copy_state(folder, source.folder) is CopyState.STALE
    assert find_model(config) == source
    convert(source, config.data_dir, silent)
    assert find_model(config).folder == folder.resolve()
    assert sorted(each.name for each in folder.parent.iterdir()) == [".convert.lock", folder.name]


def test_a_broken_copy_is_not_used(config: EngineConfig) -> None:
    source = find_source(config)
    folder = convert(source, config.data_dir, silent)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x")
    assert find_model(config) == source


def test_a_full_disk_is_reported_before_anything_is_written(
    config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(config.data_dir.parent)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=module.SPARE_BYTES))
    with pytest.raises(NoRoomForCopy) as caught:
        convert(find_source(config), config.data_dir, silent)
    assert caught.value.facts["free_bytes"] == module.SPARE_BYTES < caught.value.facts["needed_bytes"]
    assert [path.name for path in (config.data_dir / "models").iterdir()] == [".convert.lock"]


def test_a_source_that_changes_meanwhile_gives_no_copy(config: EngineConfig) -> None:
    source = find_source(config)

    def change(done_bytes: int, total_bytes: int) -> None:
        os.utime(source.folder / "vae" / "config.json", ns=(2, 2))

    with pytest.raises(ModelIncomplete, match="changed while"):
        convert(source, config.data_dir, change)
    assert find_model(config) == source


def test_a_second_conversion_at_the_same_time_is_refused(config: EngineConfig) -> None:
    source = find_source(config)

    def again(done_bytes: int, total_bytes: int) -> None:
        convert(source, config.data_dir, silent)

    with pytest.raises(ConversionRunning):
        convert(source, config.data_dir, again)


KILLED = """
import os, sys
from pathlib import Path
from engine.config import EngineConfig
from engine.checkpoint.convert import convert
from engine.checkpoint.model import find_source
data, model, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def report(done_bytes, total_bytes):
    global steps
    steps -= 1
    if steps == 0:
        os.kill(os.getpid(), 9)
convert(find_source(EngineConfig(data, lora_dir=data, model=model)), data, report)
"""


@pytest.mark.parametrize("steps", [1, 8, 12])
def test_a_kill_leaves_an_unused_draft_that_the_next_run_removes(config: EngineConfig, steps: int) -> None:
    command = [sys.executable, "-c", KILLED, str(config.data_dir), config.model, str(steps)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    source = find_model(config)
    assert source.origin is None
    folder = copy_folder(config.data_dir, source.folder, source.name)
    assert [path.name for path in folder.parent.glob("*.draft")] == [f"{folder.name}.draft"]
    convert(source, config.data_dir, silent)
    assert find_model(config).folder == folder.resolve()
    assert not list(folder.parent.glob("*.draft"))
    assert json.loads((folder / "converted.json").read_text())["source"] == str(source.folder)
