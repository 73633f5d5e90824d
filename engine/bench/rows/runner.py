"""Measures the rows, contender after contender, so that only one holds memory.

A row that raises an error yields a line with that error; the other rows are still measured.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from engine.bench.measurement import track_peak_memory
from engine.bench.report.results import ResultLine
from engine.bench.report.targets import CASES, FP8_FLOOR
from engine.bench.rows import accuracy, lora_switch, queues
from engine.bench.rows.baselines import StockPipeline, StrongestRecipe
from engine.bench.rows.eight_bit import COMPARED, NAMES, EightBitPictures
from engine.bench.rows.first_picture import FirstPicture
from engine.bench.rows.floor import Floor
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Workload
from engine.config import WeightFormat
from engine.zimage.out_of_memory import first_line, free_memory

SPEED = ("E1", "E2", "E3")
GIB = 2**30


@dataclass(frozen=True, slots=True)
class RowPart:
    """A part of a row that one contender measures.

    Attributes:
        who: Who a failure is attributed to.
        measure: Contender → its lines; None if it only prepares other measurements.
        is_elsewhere: Whether another process uses the memory, so that only the lines know the peak.
    """

    row: str
    who: str
    measure: Callable[[Any], Iterable[ResultLine] | None]
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class ContenderRun:
    """What is measured while one contender is open; ``open_`` creates the contender."""

    open_: Callable[[Workload], Any]
    pieces: tuple[RowPart, ...]


def contender_runs(workload: Workload) -> tuple[ContenderRun, ...]:
    """Return all runs in order: floor before ours, because both fuse the weights; the start last."""
    switches = [RowPart("E5", who, lambda each: [each.switch()]) for who in ("stock", "recipe")]
    ours = (
        *(_whole_picture(row) for row in SPEED),
        RowPart("E5", "ours", lambda ours: lora_switch.lines(workload, ours)),
        RowPart("E6", "ours", lambda ours: queues.mixed(workload, ours)),
        RowPart("E7", "ours", lambda ours: [queues.busy(workload, ours)]),
        *(_same_picture(workload, case) for case in CASES),
    )
    references = [RowPart("E9", "stock", lambda stock: stock.draw_references(accuracy.compared_pictures()))]
    if workload.placement.is_card:
        references += [
            RowPart(target, "stock", lambda stock: stock.draw_references(COMPARED.values()))
            for target in ("E4", "E12")
        ]
    return (
        ContenderRun(Floor, (*(_speed(row, "floor") for row in SPEED), *map(_fp8_floor, FP8_FLOOR))),
        ContenderRun(StockPipeline, (*(_speed(row, "stock") for row in SPEED), switches[0], *references)),
        ContenderRun(StrongestRecipe, (*(_speed(row, "recipe") for row in SPEED), switches[1])),
        ContenderRun(OwnPipeline, ours),
        _eight_bit_run(WeightFormat.FP8, "E4", "E12"),
        _eight_bit_run(WeightFormat.INT8, "E12"),
        ContenderRun(FirstPicture, (RowPart("E8", "start", lambda start: start.lines(), is_elsewhere=True),)),
    )


def _speed(row: str, who: str) -> RowPart:
    return RowPart(row, who, lambda contender: [contender.line(row)])


def _fp8_floor(row: str) -> RowPart:
    return RowPart("E12", FP8_FLOOR[row], lambda floor: [floor.fp8_line(row)])


def _eight_bit_run(weight_format: WeightFormat, *targets: str) -> ContenderRun:
    def piece(target: str, row: str, who: str) -> RowPart:
        return RowPart(target, who, lambda contender: [contender.line(target, row)])

    pieces = [piece(target, row, who) for row, who in NAMES[weight_format].items() for target in targets]
    return ContenderRun(lambda workload: EightBitPictures(workload, weight_format), tuple(pieces))


def _whole_picture(row: str) -> RowPart:
    return RowPart(row, "ours", lambda ours: ours.lines(row))


def _same_picture(workload: Workload, case: str) -> RowPart:
    return RowPart("E9", case, lambda ours: [accuracy.line(workload, ours, case)])


def measure(workload: Workload, wanted: Collection[str]) -> Iterator[ResultLine]:
    """Measure the wanted rows and yield each line when it is known."""
    for run in contender_runs(workload):
        pieces = [piece for piece in run.pieces if piece.row in wanted]
        if not pieces:
            continue
        try:
            contender = run.open_(workload)
        except Exception as error:  # noqa: BLE001 - one contender's failure must not end the others' run
            yield from (_failed(piece, error) for piece in pieces)
            continue
        for piece in pieces:
            yield from _lines(piece, contender, workload.placement.device)
        contender.close()
        del contender
        free_memory()


def _lines(piece: RowPart, contender: Any, device: torch.device) -> Iterator[ResultLine]:
    """Yield a part's lines, each with the peak memory since the previous one unless it has its own."""
    lines = _measured(piece, contender)
    try:
        while True:
            with track_peak_memory(device) as found:
                line = next(lines, None)
            if line is None:
                return
            is_known = line.value is None or line.peak_gib is not None or piece.is_elsewhere
            yield line if is_known or not found.nbytes else replace(line, peak_gib=found.nbytes / GIB)
    except Exception as error:  # noqa: BLE001 - see this module's first lines
        yield _failed(piece, error)


def _measured(piece: RowPart, contender: Any) -> Iterator[ResultLine]:
    """Yield a part's lines lazily."""
    yield from piece.measure(contender) or ()


def _failed(piece: RowPart, error: Exception) -> ResultLine:
    why = f"{type(error).__name__}: {first_line(error)}"
    return ResultLine(piece.row, piece.who, None, "", note=why, has_failed=True)
