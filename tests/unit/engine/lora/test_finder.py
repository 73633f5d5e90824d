"""A LoRA is found by its hash on a shelf that changes."""

from pathlib import Path

import pytest

from engine.errors import LoraMissing
from engine.lora.finder import LoraFinder
from engine.request import LoraChoice
from engine.shelf import LoraFile


class FakeShelf:
    """A shelf in memory that counts how often it was read."""

    def __init__(self) -> None:
        self.files: dict[str, LoraFile] = {}
        self.reads = 0

    def put(self, name: str, sha256: str) -> None:
        self.files[name] = LoraFile(name, Path(f"/shelf/{name}.safetensors"), sha256, bytes=1, rank=4)

    def read(self) -> dict[str, LoraFile]:
        self.reads += 1
        return self.files


@pytest.fixture
def shelf() -> FakeShelf:
    shelf = FakeShelf()
    shelf.put("sugar", "aa")
    return shelf


def test_the_shelf_is_read_on_creation_and_not_again_for_a_known_hash(
    shelf: FakeShelf,
) -> None:
    finder = LoraFinder(shelf.read)
    assert shelf.reads == 1
    for _ in range(3):
        assert finder.path_of(LoraChoice("sugar", "aa")) == Path("/shelf/sugar.safetensors")
    assert shelf.reads == 1


def test_a_renamed_file_is_found_by_its_hash(shelf: FakeShelf) -> None:
    assert LoraFinder(shelf.read).path_of(LoraChoice("old-name", "aa")) == Path("/shelf/sugar.safetensors")


def test_a_file_added_later_is_found(shelf: FakeShelf) -> None:
    finder = LoraFinder(shelf.read)
    finder.path_of(LoraChoice("sugar", "aa"))
    shelf.put("anime", "bb")
    assert finder.path_of(LoraChoice("anime", "bb")) == Path("/shelf/anime.safetensors")


def test_a_replaced_file_is_missing(shelf: FakeShelf) -> None:
    finder = LoraFinder(shelf.read)
    finder.path_of(LoraChoice("sugar", "aa"))
    shelf.put("sugar", "cc")
    finder.refresh()
    with pytest.raises(LoraMissing) as caught:
        finder.path_of(LoraChoice("sugar", "aa"))
    assert caught.value.facts == {"name": "sugar"}
