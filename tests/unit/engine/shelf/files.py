"""Files on a shelf, and why one was rejected."""

from pathlib import Path

from engine import errors
from engine.shelf import Shelf
from tests.unit.engine.folders import lora_tensors, safetensors


def put(folder: Path, name: str = "sugar", content: bytes | None = None) -> Path:
    path = folder / f"{name}.safetensors"
    path.write_bytes(safetensors(lora_tensors()) if content is None else content)
    return path


def refusal(shelf: Shelf) -> errors.LoraRejected:
    assert not shelf.files
    (rejected,) = shelf.rejected
    return rejected.error
