"""Rows 39 to 43: LoRA files of attackers. The measurements are in ``tests/crash/loras``."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random

from engine.checkpoint.header import MAX_NAME, MAX_TENSORS
from tests.crash.rows import Measured, Row, Scale

ROOT = Path(__file__).resolve().parents[3]
IN_PARALLEL = os.cpu_count() or 2
MIB = 2**20
MUTATED_MS, MUTATED_MIB = 100, 32
BOMB_MS, BOMB_MIB = 10, 4
PARSED_BYTES = MAX_TENSORS * 2 * MAX_NAME  # by JSON's parser, of one header within our limit
PATHS_A_SHELF = 100


def mutated_files(scale: Scale) -> Measured:
    """Examine mutated files as shelf and worker do, on every core; time decides in the long form only."""
    from tests.crash.loras import fuzz

    files, whole = scale.of(20_000, 1_000_000), fuzz.Tally()
    with ProcessPoolExecutor(IN_PARALLEL, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(work) for work in fuzz.attacks(scale.folder, files, scale.of(1_000, 10_000))]
        for part in running:
            whole.add(part.result())
    kinds = len(whole.outcomes.keys() - {"taken", "fault"})
    figures = (
        f"{whole.files:,} files: {whole.outcomes['taken']:,} taken, the others refused for {kinds} reasons, "
        f"{whole.by_numbers:,} by their numbers; {whole.sidecars:,} sidecars, of which "
        f"{whole.sidecars_taken:,} were taken; "
        f"{len(whole.faults)} other errors or contradictions of shelf and worker; slowest "
        f"{1_000 * whole.slowest[0]:.0f} ms of the processor ({whole.slowest[1]}), at most "
        f"{whole.most_held / MIB:.1f} MiB held and {whole.most_bytes / MIB:.2f} MiB of headers read"
    )
    if whole.faults:
        figures += f"; first: {whole.faults[0]}"
    is_small = whole.most_held <= MUTATED_MIB * MIB and fuzz.within_bounds(whole)
    is_fast = 1_000 * whole.slowest[0] <= MUTATED_MS or not scale.is_long
    reaches = min(whole.outcomes["taken"], whole.by_numbers, whole.sidecars_taken) > 0
    return Measured(figures, not whole.faults and is_small and is_fast and reaches)


def header_bombs(scale: Scale) -> Measured:
    """Let the shelf read header bombs; the short form counts what JSON's parser gets instead of the time."""
    from tests.crash.loras import headers

    beyond, within = _Bombs(), _Bombs()
    for name, path in headers.bombs(scale.folder):
        outcome, took_s, held, parsed = headers.cost_of(path)
        own = beyond if path.stat().st_size > headers.MAX_HEADER_BYTES + 8 else within
        own.add(name, outcome, took_s, held, sum(parsed))
    figures = (
        f"longer than our limit: {beyond.text}; within it: {within.text}; "
        f"JSON's parser got nothing of the first, at most {within.parsed / MIB:.2f} MiB of the others"
    )
    is_small = beyond.held <= BOMB_MIB * MIB and within.held <= MUTATED_MIB * MIB
    is_unparsed = not beyond.parsed and within.parsed <= PARSED_BYTES
    is_fast = 1_000 * beyond.slowest_s <= BOMB_MS or not scale.is_long
    return Measured(figures, is_small and is_unparsed and is_fast and not beyond.taken)


class _Bombs:
    """The worst of several bombs."""

    def __init__(self) -> None:
        self.count = self.held = self.parsed = self.taken = 0
        self.slowest_s, self.slowest = 0.0, ""

    def add(self, name: str, outcome: str, took_s: float, held: int, parsed: int) -> None:
        self.count += 1
        self.taken += outcome == "taken"
        self.held, self.parsed = max(self.held, held), max(self.parsed, parsed)
        self.slowest_s, self.slowest = max((self.slowest_s, self.slowest), (took_s, name))

    @property
    def text(self) -> str:
        return (
            f"{self.count} in at most {1_000 * self.slowest_s:.1f} ms ({self.slowest}) "
            f"and {self.held / MIB:.1f} MiB"
        )


def path_attacks(scale: Scale) -> Measured:
    """Fill shelves with links, pipes, devices and strange names beside valid LoRAs outside of them."""
    from engine.checkpoint.model import read_model
    from tests.crash.loras.paths import PathAttack
    from tests.unit.engine.folders import write_model

    names, swaps = scale.of(2_000, 50_000), scale.of(100, 5_000)
    attack = PathAttack(scale.folder / "paths", read_model(write_model(scale.folder / "model")), Random(41))
    tried = outside = offered = 0
    while tried < names:
        tried += attack.set_up(PATHS_A_SHELF)
        opened, taken = attack.read()
        outside += opened
        offered += taken
    swapped = attack.swap_while_read(swaps)
    figures = (
        f"{tried:,} paths of {len(attack.kinds)} kinds: {outside} files outside the shelf opened or offered, "
        f"{offered} LoRAs inside offered; {swaps:,} reads while a file is exchanged for a link: "
        f"{swapped} times the link's target"
    )
    return Measured(figures, not outside and not swapped and offered > 0)


def changed_bytes(scale: Scale) -> Measured:
    """Flip one bit of an admitted file, and exchange its content while the worker reads it."""
    from tests.crash.loras.contents import flip_bits, swap_content

    flips, reads = scale.of(1_000, 10_000), scale.of(500, 100_000)
    refused, by_hash = flip_bits(scale.folder, flips)
    right, wrong = swap_content(scale.folder, reads)
    figures = (
        f"{refused:,} of {flips:,} files with a flipped bit refused, {by_hash:,} by their hash; "
        f"{reads:,} reads while the content is exchanged: {right:,} times the right one, "
        f"{wrong} times another"
    )
    return Measured(figures, refused == by_hash == flips and not wrong and right > 0)


def no_pickle(scale: Scale) -> Measured:
    """Run shelf and worker code in a process where every reader of pickles raises."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.loras.pickles"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = (ended.stdout.strip().splitlines() or [""])[-1].split()
    if ended.returncode or len(last) != 2:
        return Measured(f"the run failed: {ended.stderr[-300:]}", holds=False)
    figures = f"shelf read, model loaded, {last[0]} pictures drawn with and without LoRAs: {last[1]} calls"
    return Measured(figures, holds=last[1] == "0")


ROWS = (
    Row(
        "39",
        "mutated LoRA files of every layout, their numbers, and mutated sidecars",
        f"1,000,000 files: only our own refusals, the worker takes what the shelf takes, ≤ {MUTATED_MS} ms "
        f"and ≤ {MUTATED_MIB} MiB each",
        mutated_files,
    ),
    Row(
        "40",
        "header bombs of 1 to 100 MB, a million tensors, nesting, repeated names, huge numbers",
        f"longer than our limit of 4 MiB: refused in ≤ {BOMB_MS} ms with ≤ {BOMB_MIB} MiB, before "
        f"JSON's parser reads them; within it: ≤ {MUTATED_MIB} MiB and a part parsed",
        header_bombs,
    ),
    Row(
        "41",
        "paths that lead out of the shelf: links, pipes, devices, strange names, exchanged while read",
        "5,000 paths: 0 opened outside the shelf",
        path_attacks,
    ),
    Row(
        "42",
        "one bit flipped in an admitted file; content exchanged while it is read",
        "10,000 of 10,000 refused by their hash; never wrong content",
        changed_bytes,
    ),
    Row("43", "no pickle is reachable from shelf and worker", "0 calls", no_pickle),
)
