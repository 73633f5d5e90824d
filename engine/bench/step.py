"""Measures one step by every method in one run: ``python -m engine.bench.step --size 512x768``.

Each row has its time, its ratio to the floor, its peak memory and its error against the library's result
(figure E9: 1e-5 in float32, 2e-2 in bfloat16).
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.bench.measurement import Measurement, as_cuda_graph, measure
from engine.bench.random_model import TINY, TURBO, as_file, random_lora, random_transformer
from engine.bench.report.machine import describe_machine
from engine.bench.report.markdown import machine, number, table
from engine.bench.report.results import write_json
from engine.bench.rows.floor import attention, products
from engine.lora.adapter import LoraStack
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES, Patches
from engine.lora.side_path import side_patches
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.fusions import REFERENCE
from engine.zimage.noise import PIXELS_PER_LATENT

CAPTION = 60  # tokens of a typical prompt
TIME = 0.25  # any time between noise and picture


@dataclass(frozen=True, slots=True)
class StepResult:
    """One row of the table; ``error`` is None if there is nothing to compare with."""

    name: str
    milliseconds: float
    peak_gib: float
    error: float | None


class StepWorkload:
    """A transformer, the rows it draws, and their LoRAs.

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
        embedding = torch.randn(CAPTION, self.transformer.config.cap_feat_dim, generator=generator)
        self.embedding = embedding.to(self.device, dtype)
        self.stacks: list[LoraStack] = [
            ((random_lora(self.matrices, seed, options.rank), 0.8),) for seed in range(options.rows)
        ]

    @torch.no_grad()
    def stock(self) -> list[Tensor]:
        """Compute the library's step with its loaded LoRA."""
        rows = len(self.latents)
        latents = [each.to(self.transformer.dtype)[:, None] for each in self.latents]
        times = torch.full((rows,), TIME, device=self.device)
        out = self.transformer(latents, times, [self.embedding] * rows, return_dict=False)[0]
        return [each[:, 0] for each in out]

    def ours(self, patches: Patches, own: list[Patches]) -> Callable[[], list[Tensor]]:
        """Return our step; ``own`` are the patches of each row for refining its caption."""
        captions = [self.forward.refine_caption(self.embedding, each) for each in own]
        batch = self.forward.batch(captions, [self.size] * len(self.latents), patches)
        times = torch.full((len(self.latents),), TIME, device=self.device)
        return lambda: batch(self.latents, times)

    def read(self, work: Callable[[], object]) -> Measurement:
        """Measure on this device."""
        return measure(work, self.device, self.rounds)

    def line(self, name: str, work: Callable[[], Any], stock: list[Tensor] | None) -> StepResult:
        """Measure a step and compare its result with the library's."""
        measurement = self.read(work)
        return _line(name, measurement, _error(work(), stock) if stock else None)


def lines(workload: StepWorkload, *, is_compiled: bool) -> Iterator[StepResult]:
    """Measure and yield every row of the table."""
    rows = len(workload.latents)
    shape = rows, workload.size, CAPTION
    for name, work in (("products", products), ("attention", attention)):
        with torch.no_grad():
            measurement = workload.read(as_cuda_graph(work(workload.forward, *shape), workload.device))
        yield _line(f"floor: {name}", measurement, None)
    base = workload.stock()
    one, mixed = _stock_with_loras(workload)
    yield workload.line("stock", workload.stock, base)
    yield _stock_line(workload)
    yield from _our_lines(workload, base, one, mixed)
    if is_compiled:
        workload.transformer.compile_repeated_blocks(fullgraph=True)
        yield workload.line("stock, compiled", workload.stock, base)


def _our_lines(
    workload: StepWorkload, base: list[Tensor], one: list[Tensor], mixed: list[Tensor]
) -> Iterator[StepResult]:
    """Measure our step without a LoRA, with one LoRA for all rows by each method, and with one per row."""
    stacks, rows, device = workload.stacks, len(workload.latents), workload.device
    step = workload.ours(NO_PATCHES, [NO_PATCHES] * rows)
    yield workload.line("ours", step, base)
    if device.type == "cuda":
        yield workload.line("ours, in a graph", as_cuda_graph(step, device), None)
        fused, workload.forward.fusions = workload.forward.fusions, REFERENCE
        yield workload.line("ours, without its kernels", step, base)
        workload.forward.fusions = fused
    merger = Merger(workload.matrices)
    patches = _all_merged(workload, merger, stacks[0])
    yield workload.line("ours, merged", workload.ours(patches, [patches] * rows), one)
    yield _line("switch by merging", workload.read(lambda: _all_merged(workload, merger, stacks[-1])), None)
    merger.drop()  # 12 GB at full size, which must not count for the next rows
    del patches
    for kind, own, stock in (("one", stacks[:1] * rows, one), ("each its own", stacks, mixed)):
        reading_patches = [side_patches(workload.matrices, [stack]) for stack in own]
        step = workload.ours(side_patches(workload.matrices, own), reading_patches)
        yield workload.line(f"ours, side, {kind}", step, stock)


def _all_merged(workload: StepWorkload, merger: Merger, stack: LoraStack) -> Patches:
    patches = merger.merge(stack)
    for group in list(patches.pending):
        patches.ensure_merged(group)
    return patches


def _stock_with_loras(workload: StepWorkload) -> tuple[list[Tensor], list[Tensor]]:
    """Return the library's results: with the first LoRA on every row, and with each row's own."""
    results = []
    for stack in workload.stacks:
        _load_lora(workload, stack)
        results.append(workload.stock())
        workload.transformer.unload_lora()
    return results[0], [result[row] for row, result in enumerate(results)]


def _stock_line(workload: StepWorkload) -> StepResult:
    _load_lora(workload, workload.stacks[0])
    measurement = workload.read(workload.stock)
    workload.transformer.unload_lora()
    return _line("stock, peft", measurement, None)


def _load_lora(workload: StepWorkload, stack: LoraStack) -> None:
    ((adapter, strength),) = stack
    workload.transformer.load_lora_adapter(as_file(adapter), prefix="transformer", adapter_name="lora")
    workload.transformer.set_adapters("lora", strength)


def _line(name: str, measurement: Measurement, error: float | None) -> StepResult:
    return StepResult(name, measurement.milliseconds, measurement.peak_bytes / 2**30, error)


def _error(ours: list[Tensor], stock: list[Tensor]) -> float:
    """Return the largest relative error of a row."""
    return max(
        float((mine.float() - other.float()).norm() / other.float().norm())
        for mine, other in zip(ours, stock, strict=True)
    )


def main(arguments: list[str] | None = None) -> list[StepResult]:
    """Measure, print a table, and write it with ``--into``."""
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
    facts = describe_machine(choose_placement(options.device), "engine.bench.step", words)
    measured: list[StepResult] = []
    for line in lines(StepWorkload(options), is_compiled=options.compiled):
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
    """Return the table as Markdown."""
    rows = [
        [line["name"], f"{line['milliseconds']:.2f}", number(line["peak_gib"]), number(line["error"])]
        for line in document["lines"]
    ]
    head = ["step", "ms", "peak GiB", "relative error"]
    return f"# One step, every way\n\n{machine(document['about'])}\n\n{table(head, rows)}\n"


if __name__ == "__main__":
    main()
