"""Shelf and worker with every reader of pickles set to raise: ``python -m tests.crash.loras.pickles``.

It reads the shelf, loads the built-in model as the worker does, and draws with every kind of file. The last
line of its output is the number of pictures and the number of calls.
"""

import io
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

calls: list[str] = []


def refused(name: str) -> Callable[..., NoReturn]:
    """Return a function that records the call and raises."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        calls.append(f"{name}: {traceback.format_stack(limit=4)[0].strip()}")
        raise AssertionError(f"{name} is reachable")

    return refuse


def forbid() -> None:
    """Set the readers of pickles to raise, in every module that has imported one."""
    readers: dict[Any, str] = {
        torch.load: "torch.load",
        pickle.load: "pickle.load",
        pickle.loads: "pickle.loads",
        pickle.Unpickler: "pickle.Unpickler",
        pickle._Unpickler: "pickle._Unpickler",  # type: ignore[attr-defined]
    }
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            try:
                reader = readers.get(value)
            except TypeError:  # not hashable
                continue
            if reader is not None:
                setattr(module, name, refused(reader))


def main() -> None:
    from engine.config import Plan
    from engine.demo.judge import drawer
    from engine.demo.networks import LORAS, WEIGHTS
    from engine.shelf import read_shelf

    forbid()
    for content in (b"\x80\x04.", pickle.dumps({"a": [1]})):
        try:
            pickle.Unpickler(io.BytesIO(content))  # noqa: S301 - it must raise
        except AssertionError:
            calls.clear()  # the trap works
        else:
            raise SystemExit("the trap does not work")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pickled.safetensors", "pickled.bin", "pickled.pt", "loras.toml"):
            (Path(folder) / name).write_bytes(pickle.dumps({"a": [1]}) * 9)
        shelf = read_shelf([Path(folder)], drawer.read_model(WEIGHTS))
        assert not shelf.files
        assert len(shelf.rejected) == 4
    pictures = 0
    own = drawer.Drawer("cpu", Plan())
    for lora in ("", *sorted(path.stem for path in LORAS.glob("*.safetensors"))):
        pictures += len(own.draw(["a face", "脸"], lora))
    own.close()
    for call in calls:
        print(call)
    print(pictures, len(calls))


if __name__ == "__main__":
    main()
