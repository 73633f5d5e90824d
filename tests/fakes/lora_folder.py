"""A LoRA folder without a model: a file is a LoRA if it begins with ``lora``, as ``lora_bytes`` writes it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf.trials import TrialPictures
from bot.downloads import Downloader
from engine.errors import LoraDamaged, LoraNameShared, LoraRejected
from engine.formatting import normalize
from engine.shelf import LoraFile, Rejected, Shelf

MARK = b"lora"


def lora_bytes(content: bytes = b"1") -> bytes:
    return MARK + content


class FakeFolder:
    """Implements ``bot.desk.shelf.lora_folder.LoraFolder``; every trial picture is good.

    Attributes:
        tried: Names of the LoRAs that were tried out, in order.
        refuse: Called before a trial picture; may raise.
    """

    def __init__(self, folder: Path, shelf: LoraShelf) -> None:
        self.folder = folder
        self._shelf = shelf
        self._built_in = dict(shelf.files.files)
        self.tried: list[str] = []
        self.refuse: Callable[[LoraFile], None] = lambda file: None

    @property
    def shelf(self) -> Shelf:
        return self._shelf.files

    async def reload(self, whole: Path | None = None) -> Shelf:
        files, rejected = dict(self._built_in), []
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                if normalize(path.stem) in map(normalize, files):
                    raise LoraNameShared(name=path.stem)
                files[path.stem] = await self.examine(path)
            except LoraRejected as error:
                rejected.append(Rejected(path.stem, error, path))
        self._shelf.replace(Shelf(files, tuple(rejected)))
        return self.shelf

    async def examine(self, path: Path) -> LoraFile:
        content = path.read_bytes()  # noqa: ASYNC240 - a few bytes of a test
        if not content.startswith(MARK):
            raise LoraDamaged("no mark", name=path.stem)
        digest = hashlib.sha256(content).hexdigest()
        return LoraFile(name=path.stem, path=path, sha256=digest, bytes=len(content), rank=4)

    async def watch(self) -> None:
        """Files change by ``reload`` alone."""

    async def try_out(self, file: LoraFile) -> None:
        self.tried.append(file.name)
        self.refuse(file)


def shelf_inputs(folder: Path) -> dict[str, Any]:
    """The inputs of a desk that concern the shelf: all in ``folder``, and no site is known."""

    def open_folder(shelf: LoraShelf, trials: TrialPictures) -> FakeFolder:
        return FakeFolder(folder / "loras", shelf)

    return {
        "open_folder": open_folder,
        "cache_dir": folder,
        "downloader": Downloader({}, limit_bytes=10_000),
    }
