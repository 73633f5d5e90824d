"""The index of the built-in LoRAs."""

import tomllib
from pathlib import Path

from engine.demo.phrases import TRIGGERS
from engine.demo.training.shelf_index import write_shelf_index


def test_the_index_is_toml_with_titles_in_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "loras.toml"
    write_shelf_index(path)
    index = tomllib.loads(path.read_text(encoding="utf-8"))
    assert set(index) == {"sugar", "anime", "realistic"}
    for name, entry in index.items():
        assert entry["trigger"] == TRIGGERS[name]
        assert set(entry["title"]) == {"en", "zh-CN"}
