"""The sidecars of the built-in LoRAs."""

from pathlib import Path

import engine.demo
from engine.demo.faces.styles import SHELF
from engine.demo.phrases import TRIGGERS
from engine.demo.training.sidecars import write_sidecars
from engine.shelf.sidecar import read_sidecar


def test_each_lora_has_a_sidecar_with_titles_in_both_languages(tmp_path: Path) -> None:
    write_sidecars(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(SHELF)
    for name in SHELF:
        sidecar = read_sidecar(tmp_path / f"{name}.safetensors")
        assert sidecar.trigger == TRIGGERS[name]
        assert set(sidecar.titles) == {"en", "zh-CN"}


def test_the_packaged_sidecars_are_the_written_ones(tmp_path: Path) -> None:
    write_sidecars(tmp_path)
    for written in tmp_path.iterdir():
        assert (
            Path(engine.demo.__file__).parent / "loras" / written.name
        ).read_bytes() == written.read_bytes()
