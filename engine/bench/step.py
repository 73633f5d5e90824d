"""One step, taken every way, in one run on one device: ``python -m engine.bench.step --size 512x768``.

Each row says its time, its ratio to the floor, its peak of memory and how far its result differs from the
library's own of the same work (figure E9: 1e-5 in float32, 2e-2 in bfloat16).
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.bench.clock import Reading, in_graph, measure
from engine.bench.report.machine import about
from engine.bench.report.markdown import machine, number, table
from engine.bench.report.results import write_json
from engine.bench.rows.floor import attention, products
from engine.bench.turbo import TINY, TURBO, as_file, random_lora, random_transformer
from engine.lora.merge import Merger
from engine.lora.ways import NO_PATCHES, Patches, Stack, side
from engine.zimage.denoise import PIXELS_PER_LATENT
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.fusions import PLAIN
from engine.zimage.load import choose_placement

CAPTION = 60  # tokens of a usual prompt
TIME = 0.25  # somewhere on the way


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of the table; ``error`` None where there is nothing to compare with."""

    name: str
    milliseconds: float
    peak_gib: float
    error: float | None


class StepSubject:
    """A transformer, the rows it draws, and the LoRAs on them.

    Args:
        options: From the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = torch.device(options.device)
        is_card = self.device.type == "cuda"
        dtype = torch.bfloat16 if is_card else torch.float32
        self.rounds: int = options.rounds
        self.transformer = random_transformer(TINY if options.tiny else TURBO, self.device, dtype)
        self.forward = Forward(self.transformer)
        self.matrices = self.forward.weights.matrices
        width, height = map(int, options.size.split("x"))
        self.size = height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT
        generator = torch.Generator().manual_seed(1)
        self.latents = [
            torch.randn(16, *self.size, generator=generator).to(self.device) for _ in range(options.rows)
        ]
        said = torch.randn(CAPTION, self.transformer.config.cap_feat_dim, generator=generator)
        self.embedding = said.to(self.device, dtype)
        self.stacks: list[Stack] = [
            ((random_lora(self.matrices, seed, options.rank), 0.8),) for seed in range(options.rows)
        ]

    @torch.no_grad()
    def stock(self) -> list[Tensor]:
        """The library's step, with the LoRA that is loaded."""
        rows = len(self.latents)
        latents = [each.to(self.transformer.dtype)[:, None] for each in self.latents]
        times = torch.full((rows,), TIME, device=self.device)
        out = self.transformer(latents, times, [self.embedding] * rows, return_dict=False)[0]
        return [each[:, 0] for each in out]

    def ours(self, patches: Patches, own: list[Patches]) -> Callable[[], list[Tensor]]:
        """Our step; ``own`` is what the LoRAs of each row change in reading its caption."""
        captions = [self.forward.read(self.embedding, each) for each in own]
        batch = self.forward.batch(captions, [self.size] * len(self.latents), patches)
        times = torch.full((len(self.latents),), TIME, device=self.device)
        return lambda: batch(self.latents, times)

    def read(self, work: Callable[[], object]) -> Reading:
        """Measure on this device."""
        return measure(work, self.device, self.rounds)

    def line(self, name: str, work: Callable[[], Any], stock: list[Tensor] | None) -> StepRow:
        """Measure a step and hold its result against the library's."""
        reading = self.read(work)
        return _line(name, reading, _error(work(), stock) if stock else None)


def lines(subject: StepSubject, *, is_compiled: bool) -> Iterator[StepRow]:
    """Every row of the table, measured as it is asked for."""
    rows = len(subject.latents)
    shape = rows, subject.size, CAPTION
    for name, work in (("products", products), ("attention", attention)):
        with torch.no_grad():
            reading = subject.read(in_graph(work(subject.forward, *shape), subject.device))
        yield _line(f"floor: {name}", reading, None)
    base = subject.stock()
    one, mixed = _stock_with_loras(subject)
    yield subject.line("stock", subject.stock, base)
    yield _stock_line(subject)
    yield from _our_lines(subject, base, one, mixed)
    if is_compiled:
        subject.transformer.compile_repeated_blocks(fullgraph=True)
        yield subject.line("stock, compiled", subject.stock, base)


def _our_lines(
    subject: StepSubject, base: list[Tensor], one: list[Tensor], mixed: list[Tensor]
) -> Iterator[StepRow]:
    """Without a LoRA; one for all rows, by each way; one of its own for each row."""
    stacks, rows, device = subject.stacks, len(subject.latents), subject.device
    step = subject.ours(NO_PATCHES, [NO_PATCHES] * rows)
    yield subject.line("ours", step, base)
    if device.type == "cuda":
        yield subject.line("ours, in a graph", in_graph(step, device), None)
        fused, subject.forward.do = subject.forward.do, PLAIN
        yield subject.line("ours, without its kernels", step, base)
        subject.forward.do = fused
    merger = Merger(subject.matrices)
    patches = _all_merged(subject, merger, stacks[0])
    yield subject.line("ours, merged", subject.ours(patches, [patches] * rows), one)
    yield _line("switch by merging", subject.read(lambda: _all_merged(subject, merger, stacks[-1])), None)
    merger.drop()  # 12 GB at full size, which the next rows must not be charged for
    del patches
    for kind, own, stock in (("one", stacks[:1] * rows, one), ("each its own", stacks, mixed)):
        reading_patches = [side(subject.matrices, [stack]) for stack in own]
        step = subject.ours(side(subject.matrices, own), reading_patches)
        yield subject.line(f"ours, side, {kind}", step, stock)


def _all_merged(subject: StepSubject, merger: Merger, stack: Stack) -> Patches:
    patches = merger.merge(stack)
    for group in list(patches.pending):
        patches.ready(group)
    return patches


def _stock_with_loras(subject: StepSubject) -> tuple[list[Tensor], list[Tensor]]:
    """The library's results: the first LoRA on every row, and each row's own."""
    results = []
    for stack in subject.stacks:
        _wear(subject, stack)
        results.append(subject.stock())
        subject.transformer.unload_lora()
    return results[0], [result[row] for row, result in enumerate(results)]


def _stock_line(subject: StepSubject) -> StepRow:
    _wear(subject, subject.stacks[0])
    reading = subject.read(subject.stock)
    subject.transformer.unload_lora()
    return _line("stock, peft", reading, None)


def _wear(subject: StepSubject, stack: Stack) -> None:
    ((adapter, strength),) = stack
    subject.transformer.load_lora_adapter(as_file(adapter), prefix="transformer", adapter_name="lora")
    subject.transformer.set_adapters("lora", strength)


def _line(name: str, reading: Reading, error: float | None) -> StepRow:
    return StepRow(name, reading.milliseconds, reading.peak_bytes / 2**30, error)


def _error(ours: list[Tensor], stock: list[Tensor]) -> float:
    """The largest relative error of a row."""
    return max(
        float((mine.float() - other.float()).norm() / other.float().norm())
        for mine, other in zip(ours, stock, strict=True)
    )


def main(arguments: list[str] | None = None) -> list[StepRow]:
    """Measure, print a table, and write it where asked to."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.step")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", default="512x768", help="width x height in px")
    parser.add_argument("--rows", type=int, default=1, help="pictures in one step")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compiled", action="store_true", help="measure the library's compiled blocks, too")
    parser.add_argument(
        "--tiny", action="store_true", help="a small transformer, to try the script without a card"
    )
    parser.add_argument("--into", type=Path, help="a folder for step.json and step.md")
    words = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(words)
    facts = about(choose_placement(options.device), "engine.bench.step", words)
    measured: list[StepRow] = []
    for line in lines(StepSubject(options), is_compiled=options.compiled):
        measured.append(line)
        floor_ms = sum(each.milliseconds for each in measured[:2])
        error = "" if line.error is None else f"{line.error:10.1e}"
        ratio = f"{line.milliseconds / floor_ms:6.2f}"
        print(f"{line.name:36} {line.milliseconds:9.2f} ms {ratio} x floor {line.peak_gib:7.2f} GiB {error}")
    if options.into:
        work = f"one step, {options.rows} × {options.size}"
        document = {"about": facts | {"subject": work}, "lines": [asdict(line) for line in measured]}
        write_json(document, options.into / "step.json")
        (options.into / "step.md").write_text(page(document), encoding="utf-8")
    return measured


def page(document: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    rows = [
        [line["name"], f"{line['milliseconds']:.2f}", number(line["peak_gib"]), number(line["error"])]
        for line in document["lines"]
    ]
    head = ["step", "ms", "peak GiB", "relative error"]
    return f"# One step, every way\n\n{machine(document['about'])}\n\n{table(head, rows)}\n"


if __name__ == "__main__":
    main()
