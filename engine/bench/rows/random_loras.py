"""Random LoRAs as files, so that peft and our code read the same data."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.bench.random_model import SPREAD
from engine.lora.finder import LoraFinder
from engine.request import LoraChoice, LoraSource
from engine.shelf import LoraFile, sha256_of, sources_of

RANK = 32
STRENGTH = 1.0
TRAINED = ("attention.", "feed_forward.")  # usually trained: 238 layers of Z-Image, 476 tensors, 159 MB


class RandomLoras:
    """LoRAs on every linear layer of attention and feed-forward. Each file is written on first use.

    Args:
        linears: The library's linear layers: path → (out, in). Other layers are skipped.
        folder: The folder of the files.
        device: The device on which the numbers are drawn; ``dtype`` is their format.
    """

    def __init__(
        self, linears: Mapping[str, tuple[int, int]], folder: Path, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._shapes = {
            name: shape for name, shape in linears.items() if any(part in name for part in TRAINED)
        }
        self._device, self._dtype = device, dtype
        self._folder = folder
        self._files: dict[str, LoraFile] = {}
        self._finder = LoraFinder([folder])

    def choice(self, number: int, strength: float = STRENGTH) -> LoraChoice:
        """Return a LoRA for a request."""
        file = self._file(number)
        return LoraChoice(file.name, file.sha256, strength)

    def sources(self, number: int) -> tuple[LoraSource, ...]:
        """Return where a LoRA's file is, for a request."""
        return sources_of([self._file(number)], [self.choice(number)])

    def path(self, number: int) -> str:
        """Return the path of a LoRA's file, for the library."""
        return str(self._file(number).path)

    def read_shelf(self) -> None:
        """Hash all files written so far, as the host does at its start."""
        for file in self._files.values():
            sha256_of(file.path)

    def finder(self) -> LoraFinder:
        """Return a finder of all files, also of those written later."""
        return self._finder

    def _file(self, number: int) -> LoraFile:
        name = f"random-{number}"
        if name not in self._files:
            path = self._folder / f"{name}.safetensors"
            save_file(self._tensors(number), path)
            self._files[name] = LoraFile(name, path, sha256_of(path), path.stat().st_size, RANK)
            self._finder.learn(self.sources(number))
        return self._files[name]

    def _tensors(self, number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator(self._device).manual_seed(number)

        def numbers(*shape: int) -> torch.Tensor:
            drawn = torch.randn(shape, generator=generator, device=self._device, dtype=torch.float32)
            return (drawn * SPREAD).to(self._dtype).cpu()

        tensors = {}
        for name, (out, into) in self._shapes.items():
            tensors[f"transformer.{name}.lora_A.weight"] = numbers(RANK, into)
            tensors[f"transformer.{name}.lora_B.weight"] = numbers(out, RANK)
        return tensors
