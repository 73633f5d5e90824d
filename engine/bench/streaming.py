"""Measures a step and a switch under plans that keep the blocks off the card.

``python -m engine.bench.streaming --size 512x768 --resident 0 10 20 all`` prints, for each number of resident
blocks, the milliseconds of a step with one LoRA and of the first step after a switch, what is copied in each,
and the step ÷ the longer of two floors: the step with everything on the card, and the copied bytes ÷ the
link's rate. Both floors are measured in the same run, the rate with the same blocks.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.bench.measurement import measure
from engine.bench.random_model import TINY, TURBO, random_lora, random_transformer
from engine.bench.report.machine import describe_machine
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Batch, Forward
from engine.zimage.noise import PIXELS_PER_LATENT
from engine.zimage.residency.lanes import Lane, lanes_of
from engine.zimage.residency.layout import block_layouts, block_weights
from engine.zimage.residency.sources import HostSource
from engine.zimage.residency.store import BlockStore

CAPTION = 60  # tokens of a typical prompt
TIME = 0.25  # any time between noise and picture
RANK = 32
GB = 1e9


@dataclass(frozen=True, slots=True)
class StreamedStep:
    """One row: what a number of resident blocks takes.

    Attributes:
        step_ms: A step with the LoRA of the step before it.
        step_bytes: Copied in it.
        switch_ms: The refined caption and the first step with another LoRA.
        switch_bytes: Copied in it.
        slots_bytes: Memory of the slots.
        peak_bytes: The most that torch allocated.
        is_equal: Whether the result has the bits of the step with everything on the card.
    """

    resident: int
    step_ms: float
    step_bytes: int
    switch_ms: float
    switch_bytes: int
    slots_bytes: int
    peak_bytes: int
    is_equal: bool


class StreamedWorkload:
    """One transformer of random weights, first on the card, then with its blocks in main memory.

    Args:
        options: From the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = torch.device(options.device)
        self.rounds: int = options.rounds
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.transformer = random_transformer(TINY if options.tiny else TURBO, self.device, dtype)
        width, height = map(int, options.size.split("x"))
        self.size = height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT
        generator = torch.Generator().manual_seed(1)
        self.latents = [torch.randn(16, *self.size, generator=generator).to(self.device)]
        features = self.transformer.config.cap_feat_dim
        self.embedding = torch.randn(CAPTION, features, generator=generator).to(self.device, dtype)
        self.source = source_of(self.transformer, self.device)
        forward = Forward(self.transformer)
        self.stacks: list[LoraStack] = [
            ((random_lora(forward.weights.matrices, seed, RANK), 0.8),) for seed in range(2)
        ]
        bank = Bank(forward.weights.matrices, LoraFinder())
        self.expected = [self._batch(forward, bank, stack) for stack in self.stacks]
        self.results = [self.run(batch)[0].clone() for batch in self.expected]
        self.resident_ms = measure(lambda: self.run(self.expected[-1]), self.device, self.rounds).milliseconds
        del self.expected, bank, forward  # 23 GB at full size, which must not count for the next rows
        drop_blocks(self.transformer, self.source)

    def run(self, batch: Batch) -> list[Tensor]:
        """Take one step."""
        return batch(self.latents, torch.full((1,), TIME, device=self.device))

    def link_bytes_s(self) -> float:
        """Measure the rate of copies of whole blocks from main memory."""
        lanes = lanes_of(self.device)
        blocks = list(self.source.layouts)[:8]
        slot = torch.empty(
            max(layout.numbers for layout in self.source.layouts.values()),
            dtype=self.source.dtype,
            device=self.device,
        )

        def copy() -> None:
            for block in blocks:
                fitting = slot[: self.source.layouts[block].numbers]
                lanes.wait(Lane.COMPUTE, self.source.fill(block, fitting, lanes, None).wait())

        copied = sum(self.source.blocks[block].numbers.nbytes for block in blocks)
        return copied / measure(copy, self.device, self.rounds).milliseconds * 1000

    def line(self, resident: int | None) -> StreamedStep:
        """Measure one number of resident blocks."""
        store = BlockStore(self.source, self.device, lanes_of(self.device), resident)
        forward = Forward(self.transformer, places=store.places)
        bank = Bank(forward.weights.matrices, LoraFinder(), blocks=store)
        is_equal = all(
            torch.equal(self.run(self._batch(forward, bank, stack))[0], result)
            for stack, result in zip(self.stacks, self.results, strict=True)
        )
        batch = self._batch(forward, bank, self.stacks[0])
        step_ms, step_bytes, peak_bytes = self._measured(lambda: self.run(batch), store)
        switches = []
        for round_ in range(self.rounds):
            copied, started_s = store.copied_bytes, time.perf_counter()
            self.run(self._batch(forward, bank, self.stacks[(round_ + 1) % 2]))
            self._wait()
            switches.append(((time.perf_counter() - started_s) * 1000, store.copied_bytes - copied))
        switch_ms, switch_bytes = sorted(switches)[len(switches) // 2]
        return StreamedStep(
            store.resident_blocks, step_ms, step_bytes, switch_ms, switch_bytes, store.card_bytes, peak_bytes,
            is_equal,
        )  # fmt: skip

    def _batch(self, forward: Forward, bank: Bank, stack: LoraStack) -> Batch:
        """Return a step whose caption is refined."""
        caption = forward.refine_caption(self.embedding, bank.patches([stack]))
        return forward.batch([caption], [self.size], bank.patches([stack]))

    def _measured(self, step: Callable[[], object], store: BlockStore) -> tuple[float, int, int]:
        """Return the milliseconds of a step among others, what each copies, and the peak memory."""
        for _ in range(3):
            step()
        self._wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        copied, started_s = store.copied_bytes, time.perf_counter()
        for _ in range(self.rounds):  # without a wait in between: a copy may run around to the next step
            step()
        self._wait()
        milliseconds = (time.perf_counter() - started_s) * 1000 / self.rounds
        peak = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 0
        return milliseconds, (store.copied_bytes - copied) // self.rounds, peak

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def source_of(transformer: torch.nn.Module, device: torch.device) -> HostSource:
    """Copy the blocks of a transformer into main memory, as the reader reads them."""
    weights = dict(transformer.named_parameters())
    source = HostSource(
        block_layouts({name: tuple(each.shape) for name, each in weights.items()}),
        next(iter(weights.values())).dtype,
    )
    for name, target in source.targets().items():
        target.copy_(weights[name])
    for block in source.blocks.values():
        block.pin(device)
    return source


def drop_blocks(transformer: torch.nn.Module, source: HostSource) -> None:
    """Take the blocks' weights out of the transformer, as the loader leaves them out."""
    for name in block_weights(source.layouts):
        module, _, own = name.rpartition(".")
        transformer.get_submodule(module).register_parameter(own, None)


def lines(workload: StreamedWorkload, numbers: list[int | None]) -> Iterator[tuple[StreamedStep, float]]:
    """Yield each row, and its step ÷ the longer floor."""
    link = workload.link_bytes_s()
    print(f"all on the card {workload.resident_ms:.2f} ms a step; link {link / GB:.1f} GB/s")
    for number in numbers:
        line = workload.line(number)
        yield line, line.step_ms / max(workload.resident_ms, line.step_bytes / link * 1000)


def main(arguments: list[str] | None = None) -> list[StreamedStep]:
    """Measure and print one line per number of resident blocks."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.streaming")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", default="512x768", help="width x height in px")
    parser.add_argument(
        "--resident", nargs="+", default=["0", "10", "20", "all"], help="main blocks with a slot of their own"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="a small transformer, to try without a card")
    words = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(words)
    print(describe_machine(choose_placement(options.device), "engine.bench.streaming", words)["device"])
    measured = []
    numbers = [None if each == "all" else int(each) for each in options.resident]
    for line, ratio in lines(StreamedWorkload(options), numbers):
        measured.append(line)
        print(
            f"{line.resident:3} resident: step {line.step_ms:8.2f} ms, {line.step_bytes / GB:6.2f} GB copied,"
            f" {ratio:5.2f} x max(floors); switch {line.switch_ms:8.2f} ms, {line.switch_bytes / GB:6.2f} GB;"
            f" slots {line.slots_bytes / 2**30:5.2f} GiB, peak {line.peak_bytes / 2**30:5.2f} GiB;"
            f" {'bit-equal' if line.is_equal else 'DIFFERENT'}"
        )
    return measured


if __name__ == "__main__":
    main()
