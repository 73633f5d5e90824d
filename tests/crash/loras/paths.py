"""Paths that lead out of the shelf, and a record of every file that this process opens."""

import contextlib
import os
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from engine.checkpoint.model import ModelInfo
from engine.shelf import read_shelf
from tests.unit.engine.folders import lora_tensors, safetensors

_opened: list[str] | None = None
_STEMS = (
    *("sugar", "anime_2", "0-a") * 4,
    "Sugar Face", "..", "...", ".hidden", "a.b", "糖", "e\u0301", "\xe9", "\u202egpj", "a\nb", "\x1b[31m",
    "%2e%2e%2fsecret", "~", "-rf", "$(id)", "a\\..\\b", "\uff0e\uff0e\uff0fsecret", "x" * 200,
    "loras.toml", "\udcff", "con",
)  # fmt: skip
_SUFFIXES = (".safetensors", ".safetensors", ".safetensors", ".SAFETENSORS", ".safetensors.", ".toml", "")


def _hook(event: str, details: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(details[0], str | bytes):
        _opened.append(os.fsdecode(details[0]))


sys.addaudithook(_hook)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Collect the paths of all files that this process opens; links are resolved by the reader."""
    global _opened
    _opened = found = []
    try:
        yield found
    finally:
        _opened = None


class PathAttack:
    """A shelf beside secrets: valid LoRAs that lie outside of it."""

    def __init__(self, folder: Path, model: ModelInfo, random: Random) -> None:
        self._random = random
        self._model = model
        self.shelf = folder / "shelf"
        self.outside = folder / "outside"
        self.outside.mkdir(parents=True)
        self.secret = self.outside / "secret.safetensors"
        self.secret.write_bytes(safetensors(lora_tensors(), b"\x02"))
        self.good = safetensors(lora_tensors(), b"\x01")
        self.kinds: set[str] = set()
        read_shelf([self.outside], model)  # imports whatever is imported late

    def set_up(self, entries: int) -> int:
        """Fill a new shelf with hostile entries; return how many could be made."""
        shutil.rmtree(self.shelf, ignore_errors=True)
        self.shelf.mkdir()
        made = 0
        while made < entries:
            made += self._make(made)
        return made

    def _make(self, number: int) -> bool:
        random = self._random
        name = f"{random.choice(_STEMS)}{number if random.random() < 0.7 else ''}{random.choice(_SUFFIXES)}"
        folder = self.shelf
        for _ in range(random.choice((0, 0, 1, 2))):
            folder /= random.choice(("sub", "Sub Folder", ".hidden", "..a", "a.safetensors"))
        kind = random.choice((*_KINDS, *["good_file"] * 4))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            getattr(self, f"_{kind}")(folder / name)
        except OSError:
            return False  # it is there already, or the file system does not take the name
        self.kinds.add(kind)
        return True

    def _link_to_secret(self, path: Path) -> None:
        path.symlink_to(self.secret)

    def _relative_link(self, path: Path) -> None:
        path.symlink_to(os.path.relpath(self.secret, path.parent))

    def _link_to_link(self, path: Path) -> None:
        middle = path.with_name(f"{path.name[:80]}.middle")
        middle.symlink_to(self.secret)
        path.symlink_to(middle)

    def _link_to_folder(self, path: Path) -> None:
        path.symlink_to(self.outside, target_is_directory=True)

    def _link_to_parent(self, path: Path) -> None:
        path.symlink_to("..")

    def _link_to_itself(self, path: Path) -> None:
        path.symlink_to(path.name)

    def _link_to_device(self, path: Path) -> None:
        path.symlink_to(self._random.choice(("/dev/zero", "/dev/stdin", "/proc/self/mem", "/dev/null")))

    def _pipe(self, path: Path) -> None:
        os.mkfifo(path)

    def _socket(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))

    def _device(self, path: Path) -> None:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))

    def _folder(self, path: Path) -> None:
        path.mkdir()

    def _good_file(self, path: Path) -> None:
        with path.open("xb") as file:  # never through a link or into a pipe that is there already
            file.write(self.good)

    def read(self) -> tuple[int, int]:
        """Read the shelf; return how many files outside of it were opened, and how many LoRAs it offers."""
        with recorded() as opened:
            offered = read_shelf([self.shelf], self._model)
        real = os.path.realpath(self.shelf)
        model = os.path.realpath(self._model.folder)
        # The parent's real path: O_NOFOLLOW refuses a link in the last place only.
        places = (
            os.path.join(os.path.realpath(os.path.dirname(each)), os.path.basename(each)) for each in opened
        )
        outside = [each for each in places if not each.startswith((f"{real}/", f"{model}/", sys.base_prefix))]
        stolen = sum(file.path.read_bytes() != self.good for file in offered.files.values())
        followed = sum(file.path.is_symlink() for file in offered.files.values())
        return len(outside) + stolen + followed, len(offered.files)

    def swap_while_read(self, reads: int) -> int:
        """Exchange a file for a link all the time; return how often the shelf took the link's target."""
        shutil.rmtree(self.shelf, ignore_errors=True)
        self.shelf.mkdir()
        path, spare = self.shelf / "sugar.safetensors", self.shelf / "spare"
        path.write_bytes(self.good)
        is_over = threading.Event()

        def swap() -> None:
            while not is_over.is_set():
                for make in (lambda: spare.symlink_to(self.secret), lambda: spare.write_bytes(self.good)):
                    with contextlib.suppress(OSError):
                        make()
                        spare.replace(path)

        thread = threading.Thread(target=swap, name="swap")
        thread.start()
        taken = 0
        secret = read_shelf([self.outside], self._model).files["secret"].sha256
        try:
            for _ in range(reads):
                files = read_shelf([self.shelf], self._model).files
                taken += any(file.sha256 == secret for file in files.values())
        finally:
            is_over.set()
            thread.join()
        return taken


_KINDS = tuple(
    name.removeprefix("_")
    for name in vars(PathAttack)
    if name.startswith("_") and not name.startswith("__") and name != "_make"
)
