"""The names of files on the shelf."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import reading
from engine import errors
from engine.checkpoint.model import ModelInfo
from engine.formatting import normalize
from engine.shelf import names, read_shelf
from tests.unit.engine.shelf.files import put


@pytest.mark.parametrize(
    "name",
    [
        "My LoRA v1.2",
        "Z-Image_Turbo (soft) [rank 32], final+1",
        "faces/2024/Sugar",
        "a/b/c/d/e",
        "糖面部：水光"[:3],
        "x" * 100,
        "0.8",
        "-n",
        "👩‍🎨 é",
        "it's",
    ],
)
def test_names_as_people_download_them_are_taken(folder: Path, model: ModelInfo, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    put(folder, name)
    shelf = read_shelf([folder], model)
    assert (list(shelf.files), shelf.rejected) == ([name], ())


@pytest.mark.parametrize(
    "name",
    [
        "", " a", "a ", "a.", ".a", "..", "../a", "a//b", "a/ b", "a /b", "a/../b", "/a", "a/.b/c",
        "a/b/c/d/e/f", "x" * 101, "a\x00b", "a\tb", "a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", "a\ud800",
        "a:b", "a：b", 'a"b', "a<b", "a＞b", "a\\b", "None", "default", "无", "\u3000a", "a\u2028b",
    ],
)  # fmt: skip
def test_a_name_that_no_command_could_mean_is_refused(name: str) -> None:
    with pytest.raises(errors.LoraNameRefused):
        names.require_name(name)


def test_every_word_that_means_no_lora_or_the_default_is_reserved() -> None:
    words = {reading.NO_LORA, reading.DEFAULT_LORA, *reading._NO_LORA_WORDS, *reading._DEFAULT_WORDS}
    assert set(map(normalize, words)) == set(map(normalize, names.RESERVED))


def test_the_suffix_counts_in_any_case(folder: Path) -> None:
    for name in ("a.SAFETENSORS", "b.SafeTensors", "c.safetensors", "d.ckpt", "e.safetensors.part"):
        (folder / name).touch()
    assert [each.name for each in names.find_files(folder)[0] if each.error is None] == ["a", "b", "c"]


def test_files_of_formats_that_can_run_code_are_refused_by_their_names_alone(
    folder: Path, model: ModelInfo
) -> None:
    (folder / "faces").mkdir()
    for name in ("a.ckpt", "faces/B.PT", "c.pth", "adapter_model.bin"):
        os.mkfifo(folder / name)  # whoever opened it would wait
    (folder / "notes.txt").touch()
    put(folder, "a.ckpt")
    shelf = read_shelf([folder], model)
    assert list(shelf.files) == ["a.ckpt"]
    assert {each.name: type(each.error) for each in shelf.rejected} == dict.fromkeys(
        ["a.ckpt", "faces/B.PT", "c.pth", "adapter_model.bin"], errors.LoraPickled
    )


def test_links_and_folders_that_are_not_entered_are_named(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "secret")
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "a/b/c/d/e").mkdir(parents=True)
    put(folder / "a/b/c/d/e")
    (folder / ".hidden").mkdir()
    put(folder / ".hidden")
    (folder / "closed").mkdir(mode=0o000)
    found = {each.name: type(each.error) for each in names.find_files(folder)[0]}
    (folder / "closed").chmod(0o700)
    expected = {"link": errors.LoraNotAFile, "loop": errors.LoraNotAFile, "a/b/c/d/e": errors.LoraNameRefused}
    assert found.items() >= expected.items()
    assert found.keys() - expected.keys() <= {"closed"}  # a privileged user may read it


@pytest.mark.parametrize("name", ["loop", "loop.safetensors", "loop.toml"])
def test_a_link_to_itself_harms_no_other_file(folder: Path, model: ModelInfo, name: str) -> None:
    put(folder)
    (folder / name).symlink_to(name)
    assert "sugar" in read_shelf([folder], model).files


def test_a_linked_file_is_refused(tmp_path: Path, folder: Path, model: ModelInfo) -> None:
    (folder / "link.safetensors").symlink_to(put(tmp_path, "outside"))
    (rejected,) = read_shelf([folder], model).rejected
    assert (rejected.name, type(rejected.error)) == ("link", errors.LoraNotAFile)


def test_a_folder_that_is_far_too_large_is_not_read_to_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MAX_ENTRIES", 3)
    for number in range(5):
        put(folder, f"{number}")
    found, _ = names.find_files(folder)
    assert len(found) == 4
    assert [type(each.error) for each in found].count(errors.LoraFolderTooLarge) == 1


@given(st.text(st.characters(exclude_categories=()), max_size=120))
def test_a_name_that_is_taken_stays_in_its_folder(name: str) -> None:
    try:
        names.require_name(name)
    except errors.LoraNameRefused:
        return
    path = Path("/shelf") / f"{name}{names.SUFFIX}"
    assert names.name_of(path, Path("/shelf")) == name
    assert ".." not in path.parts
    assert name.isprintable() or "\u200c" in name or "\u200d" in name or not name.isascii()
