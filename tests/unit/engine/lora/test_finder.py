"""The worker opens the files that the host named last, below the folders of LoRAs alone."""

from pathlib import Path

import pytest

from engine.errors import LoraMissing
from engine.lora import finder as module
from engine.lora.finder import FoundFile, LoraFinder
from engine.request import FileStamp, LoraChoice, LoraSource

SHELF, KEPT = Path("/data/loras"), Path("/data/lora-versions")
SUGAR = LoraChoice("sugar", "aa")


def test_files_of_a_content_are_tried_as_the_host_named_them() -> None:
    finder = LoraFinder([SHELF, KEPT])
    stamp = FileStamp(1, 2, 3, 4)
    finder.learn(
        [
            LoraSource("aa", SHELF / "faces" / "sugar.safetensors", stamp),
            LoraSource("bb", SHELF / "anime.safetensors"),
            LoraSource("aa", KEPT / "aa.safetensors"),
        ]
    )
    assert finder.files_of(SUGAR) == (
        FoundFile(SHELF, Path("faces/sugar.safetensors"), stamp),
        FoundFile(KEPT, Path("aa.safetensors")),
    )
    finder.learn([LoraSource("aa", SHELF / "renamed.safetensors")])
    assert finder.files_of(SUGAR) == (FoundFile(SHELF, Path("renamed.safetensors")),)
    assert finder.files_of(LoraChoice("anime", "bb"))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/data/loras/../secret", "/data/loras-of-others/a", "sugar.safetensors", "/data"]
)
def test_a_file_elsewhere_is_missing(path: str) -> None:
    finder = LoraFinder([SHELF, KEPT])
    finder.learn([LoraSource("aa", Path(path))])
    with pytest.raises(LoraMissing) as caught:
        finder.files_of(SUGAR)
    assert caught.value.facts == {"name": "sugar"}


def test_what_was_named_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    finder = LoraFinder([SHELF])
    for sha256 in ("aa", "bb", "aa", "cc"):
        finder.learn([LoraSource(sha256, SHELF / sha256)])
    assert list(finder._files) == ["aa", "cc"]
