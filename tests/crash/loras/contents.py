"""Files of the shelf whose bytes change after they were admitted, or while the worker reads them."""

import hashlib
import os
import threading
from pathlib import Path
from random import Random

import torch

from engine.errors import LoraRejected
from engine.lora.file_reader import read_tensors
from engine.request import LoraChoice
from tests.fakes.lora_files.found import found
from tests.unit.engine.folders import lora_tensors, safetensors


def _copied(tensors: dict[str, torch.Tensor], metadata: object) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def flip_bits(folder: Path, times: int) -> tuple[int, int]:
    """Flip one bit of an admitted file each time; return how many were refused, and by their hash."""
    content = safetensors(lora_tensors(), b"\x3c")
    choice = LoraChoice("sugar", hashlib.sha256(content).hexdigest())
    path, random = folder / "sugar.safetensors", Random(42)
    refused = by_hash = 0
    for time in range(times):
        changed = bytearray(content)
        place = time if time < len(changed) else random.randrange(len(changed))
        changed[place] ^= 1 << random.randrange(8)
        path.write_bytes(changed)
        try:
            read_tensors(found(path), choice, _copied)
        except LoraRejected as error:
            refused += 1
            by_hash += type(error).__name__ == "LoraMissing"
    path.write_bytes(content)
    read_tensors(found(path), choice, _copied)  # the unchanged file is taken
    return refused, by_hash


def swap_content(folder: Path, reads: int) -> tuple[int, int]:
    """Write two contents in turn into a file that is read; return the right results and the wrong ones."""
    ours, theirs = (safetensors(lora_tensors(rank=8), fill) for fill in (b"\x3c", b"\x3d"))
    choice = LoraChoice("sugar", hashlib.sha256(ours).hexdigest())
    path = folder / "swapped.safetensors"
    path.write_bytes(ours)
    spare = folder / "swapped.new"
    is_over = threading.Event()

    def write() -> None:
        random = Random(1)
        with path.open("r+b", buffering=0) as file:
            while not is_over.is_set():
                for content in (theirs, ours):
                    match random.randrange(3):
                        case 0:
                            os.pwrite(file.fileno(), content, 0)
                        case 1:
                            half = len(content) // 2
                            os.pwrite(file.fileno(), content[half:], half)
                        case _:
                            spare.write_bytes(content)
                            spare.replace(path)

    thread = threading.Thread(target=write, name="write")
    thread.start()
    right = wrong = 0
    try:
        for _ in range(reads):
            try:
                tensors = read_tensors(found(path), choice, _copied)
            except LoraRejected:
                continue
            is_right = all(bool((each.view(torch.uint8) == 0x3C).all()) for each in tensors.values())
            right += is_right
            wrong += not is_right
    finally:
        is_over.set()
        thread.join()
    return right, wrong
