"""Mutated LoRA files and sidecars through the shelf's proof and the worker's conversion, in this process."""

import hashlib
import io
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from random import Random

import torch
from safetensors.torch import save

from engine.checkpoint.header import MAX_HEADER_BYTES
from engine.errors import LoraRejected
from engine.lora.adapter import Adapter, convert
from engine.lora.file_reader import read_tensors as read_in_worker
from engine.lora.formats import normalise
from engine.request import LoraChoice
from engine.shelf.numbers import check_numbers
from engine.shelf.validation import find_layers, read_tensors
from tests.crash.loras import sidecars
from tests.crash.loras.mutations import mutated
from tests.fakes.lora_files import other, plain
from tests.fakes.lora_files.found import found
from tests.fakes.lora_files.parts import Model, small_model

LARGEST = 200_000  # bytes of a file that is mutated
READ_AHEAD = io.DEFAULT_BUFFER_SIZE
EVERY_HELD = 10  # files of which one is measured: tracing memory takes three times as long
FILES_A_SIDECAR = 4
EVERY_REFUSED = 8  # refused files of which one also goes to the worker, whose threads take long to start


@dataclass
class Tally:
    """What happened to many files.

    Attributes:
        outcomes: The class of each refusal, or ``taken``, by the shelf.
        by_numbers: Files whose header the shelf took and whose numbers it refused.
        sidecars: Examined; ``sidecars_taken`` of them were taken.
        faults: What must not happen, each with its file's changes.
        slowest: Seconds of the processor for one file by the shelf, numbers included, or for one sidecar.
        most_bytes: Read of one file by the shelf.
        most_held: Of Python's memory at once for one file, by shelf and worker.
    """

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    by_numbers: int = 0
    sidecars: int = 0
    sidecars_taken: int = 0
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    most_bytes: int = 0
    most_held: int = 0

    def add(self, more: "Tally") -> None:
        """Add another process's tally."""
        self.files += more.files
        self.outcomes += more.outcomes
        self.by_numbers += more.by_numbers
        self.sidecars += more.sidecars
        self.sidecars_taken += more.sidecars_taken
        self.faults += more.faults
        self.slowest = max(self.slowest, more.slowest)
        self.most_bytes = max(self.most_bytes, more.most_bytes)
        self.most_held = max(self.most_held, more.most_held)


class _Counted(io.FileIO):
    """Counts the bytes that are read."""

    count = 0

    def readinto(self, buffer: object) -> int | None:
        read = super().readinto(buffer)  # type: ignore[arg-type]
        self.count += read or 0
        return read

    def readall(self) -> bytes:
        content = super().readall()
        self.count += len(content)
        return content


def valid_files(model: Model) -> list[bytes]:
    """Return files of every layout that are small enough to make thousands of."""
    made = (make(model) for _, make in chain(plain.files(), other.files()))
    packed = (save(file.tensors, file.metadata or None) for file in made)
    return [content for content in packed if len(content) <= LARGEST]


class Attack:
    """Examines files as shelf and worker do, and keeps what must not happen."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "attacked.safetensors"
        self._model = small_model()
        self.tally = Tally()

    def mutate(self, files: list[bytes], seeds: range) -> Tally:
        """Examine one mutated file for each seed."""
        for seed in seeds:
            changes, content = mutated(files, Random(seed))
            self.examine(
                content,
                f"seed {seed}: {changes}",
                is_traced=seed % EVERY_HELD == 0,
                is_for_worker=seed % EVERY_REFUSED == 0,
            )
        return self.tally

    def examine(
        self, content: bytes, changes: str, *, is_traced: bool = False, is_for_worker: bool = True
    ) -> None:
        """Let the shelf prove a file and the worker convert it; only our own refusals may come back.

        What the shelf takes, the worker takes; a header that the shelf refuses, the worker refuses.

        Args:
            content: The file.
            changes: What it is called in a finding.
            is_traced: Measure memory; otherwise time.
            is_for_worker: Show the worker also a file that the shelf refused.
        """
        self._path.write_bytes(content)
        with self._measured(changes, is_traced=is_traced):
            by_shelf, is_header_good = self._by_shelf(changes)
            if is_traced and (is_for_worker or is_header_good):
                self._by_worker(content, changes)
        by_worker = self._by_worker(content, changes) if is_for_worker or is_header_good else by_shelf
        self.tally.files += 1
        self.tally.outcomes[by_shelf] += 1
        self.tally.by_numbers += is_header_good and by_shelf != "taken"
        is_late = by_shelf == "taken" and by_worker != "taken"
        if is_late or (not is_header_good and by_worker == "taken"):
            self.tally.faults.append(f"{changes}: shelf {by_shelf}, worker {by_worker}")

    def read_sidecars(self, seeds: range) -> Tally:
        """Read one mutated sidecar for each seed."""
        for seed in seeds:
            changes, content = sidecars.mutated(Random(seed))
            with self._measured(f"sidecar: {changes}", is_traced=seed % EVERY_HELD == 0):
                try:
                    self.tally.sidecars_taken += sidecars.parse(content) == "taken"
                except Exception as error:  # noqa: BLE001 - any other error is the finding
                    self.tally.faults.append(f"sidecar {seed}, {changes}: {error!r}"[:400])
            self.tally.sidecars += 1
        return self.tally

    @contextmanager
    def _measured(self, changes: str, *, is_traced: bool) -> Iterator[None]:
        """Keep the most memory, or the most time of the processor: others may use it at the same time."""
        if is_traced:
            tracemalloc.start()
            yield
            self.tally.most_held = max(self.tally.most_held, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        else:
            began_s = time.thread_time()
            yield
            self.tally.slowest = max(self.tally.slowest, (time.thread_time() - began_s, changes))

    def _by_shelf(self, changes: str) -> tuple[str, bool]:
        """Return the outcome, and whether the header alone was good."""
        is_header_good = False
        with _Counted(self._path) as raw, io.BufferedReader(raw) as file:
            try:
                tensors, metadata = read_tensors(file)
                layers = find_layers(tensors, self._model.linears, self._model.vectors, metadata)
                is_header_good = True
                check_numbers(file, tensors, layers)
            except LoraRejected as error:
                return type(error).__name__, is_header_good
            except Exception as error:  # noqa: BLE001 - any other error is the finding
                self.tally.faults.append(f"{changes}: shelf {error!r}"[:400])
                return "fault", is_header_good
            finally:
                self.tally.most_bytes = max(self.tally.most_bytes, raw.count)
        return "taken", True

    def _by_worker(self, content: bytes, changes: str) -> str:
        choice = LoraChoice("attacked", hashlib.sha256(content).hexdigest())
        try:
            read_in_worker(found(self._path), choice, self._converted)
        except LoraRejected as error:
            return type(error).__name__
        except Exception as error:  # noqa: BLE001 - any other error is the finding
            self.tally.faults.append(f"{changes}: worker {error!r}"[:400])
            return "fault"
        return "taken"

    def _converted(self, tensors: dict[str, torch.Tensor], metadata: object) -> Adapter:
        model, dtype = self._model, torch.float32
        updates = normalise(tensors, model.linears, model.vectors, metadata, dtype)  # type: ignore[arg-type]
        return convert(updates, dtype, lambda part: model.weights[f"{part}.weight"], is_pinned=False)


@cache
def _files() -> list[bytes]:
    """The valid files, made once in each process of a pool."""
    return valid_files(small_model())


def within_bounds(tally: Tally) -> bool:
    """Whether no file made the shelf read more than a header."""
    return tally.most_bytes <= MAX_HEADER_BYTES + 9 + 2 * READ_AHEAD


def attack(folder: Path, seeds: range) -> Tally:
    """Examine a mutated file for each seed, and a sidecar for each fourth; for a pool of processes."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    attack = Attack(folder)
    attack.mutate(_files(), seeds)
    return attack.read_sidecars(seeds[::FILES_A_SIDECAR])


def attacks(folder: Path, files: int, each: int) -> Iterator[partial[Tally]]:
    """Return the work on so many files, in parts of ``each``."""
    for start in range(0, files, each):
        seeds = range(start, min(files, start + each))
        yield partial(attack, folder / str(start), seeds)
