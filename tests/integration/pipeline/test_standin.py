"""The stand-in is written once, whole or not at all, and is the same everywhere."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from engine.demo import standin as standin_module
from engine.demo.standin import write_standin
from engine.model import read_model
from engine.shelf import LoraFile


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_stand_ins_are_the_same(standin: Path, tmp_path: Path) -> None:
    write_standin(tmp_path / "deep" / "other")
    assert hashes(tmp_path / "deep" / "other") == hashes(standin)


def test_it_is_a_complete_model_with_its_limits(standin: Path) -> None:
    model = read_model(standin)
    assert (model.native_width_px, model.native_height_px) == (128, 192)
    assert model.allows(64, 256)
    assert not model.allows(272, 64)


def test_its_loras_fit_it_and_have_their_titles(files: dict[str, LoraFile]) -> None:
    assert set(files) == {"sugar", "anime", "realistic"}
    assert files["sugar"].trigger == "Sugar面部"
    assert files["sugar"].titles == {"en": "Sugar face", "zh-CN": "Sugar 面部"}


def test_its_table_names_every_lora(standin: Path) -> None:
    table = tomllib.loads((standin / "loras" / "loras.toml").read_text(encoding="utf-8"))
    assert set(table) == {path.stem for path in (standin / "loras").glob("*.safetensors")}


def test_a_model_that_is_there_is_left_as_it_is(standin: Path, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("mine")
    write_standin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model_index.json"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        (folder / "half.safetensors").write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(standin_module, "_write", fail)
    with pytest.raises(OSError, match="no space"):
        write_standin(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_another_thing_at_its_place_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious.txt").write_text("keep")
    with pytest.raises(OSError, match="not empty"):
        write_standin(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "precious.txt").read_text() == "keep"
