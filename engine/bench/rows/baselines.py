"""The baselines: diffusers as documented, and the fastest known recipe for it."""

import os
import statistics
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from engine.bench.measurement import measure
from engine.bench.report.results import RECIPE, STOCK, ResultLine
from engine.bench.rows.accuracy import SHARED_PROMPT, ComparedPicture
from engine.bench.rows.random_loras import RANK
from engine.bench.rows.workload import PictureSize, Workload, format_size
from engine.config import TRITON_DIR
from engine.request import STEPS
from engine.zimage.noise import draw_noise

NAME = "lora"
GIB = 2**30


class StockPipeline:
    """diffusers, uncompiled, with one LoRA through peft: prompt → PIL picture.

    Attributes:
        who: The contender's name in the results.
        note: The configuration.
    """

    who = STOCK
    note = "eager, peft"

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._pipeline = workload.twin()
        self._is_card = workload.placement.is_card
        self._load_lora()

    def line(self, row: str) -> ResultLine:
        """Measure the median of whole pictures, each with a new prompt."""
        size = self._workload.sizes[row]
        measurement = measure(
            lambda: self._draw(size), self._workload.placement.device, self._workload.effort.rounds
        )
        peak = measurement.peak_bytes / GIB if self._is_card else None
        return ResultLine(
            row,
            self.who,
            measurement.milliseconds / 1000,
            work=format_size(size),
            peak_gib=peak,
            note=self.note,
        )

    def switch(self) -> ResultLine:
        """Measure a switch to another LoRA from a file in the page cache."""
        paths = [self._workload.loras.path(number) for number in (1, 0)]
        seconds: list[float] = []
        for path in paths * 2:
            with self._timed(seconds):
                self._switch_lora(path)
        return ResultLine(
            "E5", f"{self.who}, another LoRA", statistics.median(seconds) * 1000, "ms", note=self.switch_note
        )

    switch_note = "unload_lora_weights, load_lora_weights, set_adapters"

    def draw_references(self, compared_pictures: Iterable[ComparedPicture]) -> None:
        """Draw the references for E9 and keep their latents."""
        for compared in compared_pictures:
            if compared not in self._workload.references:
                self._workload.references[compared] = self._latents(compared)

    def close(self) -> None:
        """Do nothing: the memory is freed with the last reference."""

    def _load_lora(self) -> None:
        self._pipeline.load_lora_weights(self._workload.loras.path(0), adapter_name=NAME)
        self._pipeline.set_adapters([NAME])

    def _switch_lora(self, path: str) -> None:
        self._pipeline.unload_lora_weights()
        self._pipeline.load_lora_weights(path, adapter_name=NAME)
        self._pipeline.set_adapters([NAME])

    def _draw(self, size: PictureSize) -> Any:
        prompt, seed = self._workload.prompt()
        return self._call(prompt, size, generator=torch.Generator("cpu").manual_seed(seed))

    def _call(self, prompt: str, size: PictureSize, **more: Any) -> Any:
        width, height = size
        return self._pipeline(
            prompt, width=width, height=height, num_inference_steps=STEPS, guidance_scale=0.0, **more
        ).images

    def _latents(self, compared: ComparedPicture) -> Tensor:
        """Draw one picture alone; return its latents in host memory."""
        width, height = size = self._workload.sizes[compared.row]
        names = [f"stacked-{number}" for number, _ in compared.stack]
        self._pipeline.unload_lora_weights()
        with warnings.catch_warnings():
            # peft warns of a second adapter on one model, which is what a stack of LoRAs is.
            warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
            for name, (number, _) in zip(names, compared.stack, strict=True):
                self._pipeline.load_lora_weights(self._workload.loras.path(number), adapter_name=name)
        self._pipeline.set_adapters(names, adapter_weights=[strength for _, strength in compared.stack])
        noise = draw_noise(compared.seed, self._pipeline.transformer.in_channels, width, height)
        latents: Tensor = self._call(SHARED_PROMPT, size, latents=noise, output_type="latent")
        return latents.cpu()

    @contextmanager
    def _timed(self, seconds: list[float]) -> Iterator[None]:
        self._wait()
        started_s = time.perf_counter()
        yield
        self._wait()
        seconds.append(time.perf_counter() - started_s)

    def _wait(self) -> None:
        if self._is_card:
            torch.cuda.synchronize(self._workload.placement.device)


class StrongestRecipe(StockPipeline):
    """The library at its fastest: LoRAs swapped in place, blocks compiled by size, cuDNN's attention."""

    who = RECIPE
    switch_note = "load_lora_weights(hotswap=True)"

    def __init__(self, workload: Workload) -> None:
        self._kernels_dir = os.environ.get(TRITON_DIR)
        super().__init__(workload)

    @property
    def note(self) -> str:  # type: ignore[override]
        """The configuration. Only a card compiles; on a CPU it would take minutes and save nothing."""
        if self._is_card:
            return "hotswap, compiled blocks, cuDNN attention"
        return "hotswap alone: blocks are compiled, and cuDNN is there, on a card only"

    def close(self) -> None:
        """Reset the process-wide state: attention backend, compiler caches, Triton's folder."""
        self._pipeline.transformer.reset_attention_backend()
        torch._dynamo.reset()
        if self._kernels_dir is None:  # the compiler has set it, and the worker of E8 would inherit it
            os.environ.pop(TRITON_DIR, None)

    def _load_lora(self) -> None:
        self._pipeline.enable_lora_hotswap(
            target_rank=RANK
        )  # before the first LoRA, which comes before compiling
        self._pipeline.load_lora_weights(self._workload.loras.path(0), adapter_name=NAME)
        if self._is_card:
            torch._dynamo.config.recompile_limit = 64  # one function for three kinds of block and three sizes
            self._pipeline.transformer.set_attention_backend("_native_cudnn")
            # Compiled for each size, because kernels for dynamic shapes are slower.
            self._pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=False)

    def _switch_lora(self, path: str) -> None:
        self._pipeline.load_lora_weights(path, adapter_name=NAME, hotswap=True)
