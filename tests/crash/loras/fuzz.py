"""Mutated LoRA files through the shelf's proof and the worker's conversion, in this process."""

import hashlib
import io
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
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
from engine.shelf.validation import find_layers, read_tensors
from tests.crash.loras.mutations import mutated
from tests.fakes.lora_files import other, plain
from tests.fakes.lora_files.found import found
from tests.fakes.lora_files.parts import Model, small_model

LARGEST = 200_000  # bytes of a file that is mutated
OF_NUMBERS = {"not_finite", "all_zero"}  # what no header shows
READ_AHEAD = io.DEFAULT_BUFFER_SIZE
EVERY_HELD = 10  # files of which one is measured: tracing memory takes three times as long
EVERY_REFUSED = 8  # refused files of which one also goes to the worker, whose threads take long to start


@dataclass
class Tally:
    """What happened to many files.

    Attributes:
        outcomes: The class of each refusal, or ``taken``, by the shelf.
        faults: What must not happen, each with its file's changes.
        most_bytes: Read of one file by the shelf.
        most_held: Of Python's memory at once for one file, by shelf and worker.
    """

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    most_bytes: int = 0
    most_held: int = 0

    def add(self, more: "Tally") -> None:
        """Add another process's tally."""
        self.files += more.files
        self.outcomes += more.outcomes
        self.faults += more.faults
        self.slowest_s = max(self.slowest_s, more.slowest_s)
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

        Args:
            content: The file.
            changes: What it is called in a finding.
            is_traced: Measure memory; otherwise time.
            is_for_worker: Show the worker also a file that the shelf refused.
        """
        self._path.write_bytes(content)
        if is_traced:
            tracemalloc.start()
        began_s = time.perf_counter()
        by_shelf = self._by_shelf(changes)
        took_s = time.perf_counter() - began_s
        by_worker = self._by_worker(content, changes) if is_for_worker or by_shelf == "taken" else by_shelf
        if is_traced:
            self.tally.most_held = max(self.tally.most_held, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        else:
            self.tally.slowest_s = max(self.tally.slowest_s, took_s)
        self.tally.files += 1
        self.tally.outcomes[by_shelf] += 1
        if (by_shelf == "taken") is not (by_worker in ("taken", *OF_NUMBERS)):
            self.tally.faults.append(f"{changes}: shelf {by_shelf}, worker {by_worker}")

    def _by_shelf(self, changes: str) -> str:
        with _Counted(self._path) as raw, io.BufferedReader(raw) as file:
            try:
                tensors, metadata = read_tensors(file)
                find_layers(tensors, self._model.linears, self._model.vectors, metadata)
            except LoraRejected as error:
                return type(error).__name__
            except Exception as error:  # noqa: BLE001 - any other error is the finding
                self.tally.faults.append(f"{changes}: shelf {error!r}"[:400])
                return "fault"
            finally:
                self.tally.most_bytes = max(self.tally.most_bytes, raw.count)
        return "taken"

    def _by_worker(self, content: bytes, changes: str) -> str:
        choice = LoraChoice("attacked", hashlib.sha256(content).hexdigest())
        try:
            read_in_worker(found(self._path), choice, self._converted)
        except LoraRejected as error:
            why = str(error.facts.get("why", ""))
            return why if why in OF_NUMBERS else type(error).__name__
        except Exception as error:  # noqa: BLE001 - any other error is the finding
            self.tally.faults.append(f"{changes}: worker {error!r}"[:400])
            return "fault"
        return "taken"

    def _converted(self, tensors: dict[str, torch.Tensor], metadata: object) -> Adapter:
        model, dtype = self._model, torch.float32
        updates = normalise(tensors, model.linears, model.vectors, metadata, dtype)  # type: ignore[arg-type]
        return convert(updates, dtype, lambda part: model.weights[f"{part}.weight"], is_pinned=False)


def within_bounds(tally: Tally) -> bool:
    """Whether no file made the shelf read more than a header."""
    return tally.most_bytes <= MAX_HEADER_BYTES + 9 + 2 * READ_AHEAD


def attack(folder: Path, seeds: range) -> Tally:
    """Examine a mutated file for each seed; for a pool of processes."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    return Attack(folder).mutate(valid_files(small_model()), seeds)


def attacks(folder: Path, files: int, each: int = 10_000) -> Iterator[partial[Tally]]:
    """Return the work on so many files, in parts."""
    for start in range(0, files, each):
        seeds = range(start, min(files, start + each))
        yield partial(attack, folder / str(start), seeds)
