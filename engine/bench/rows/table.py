"""The rows in the order in which they are measured: contender after contender, so that only one holds memory.

A row that raises is a line that says so; the next one is measured all the same.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from engine.bench.clock import peak
from engine.bench.report.figures import CASES, FP8
from engine.bench.report.results import ResultLine
from engine.bench.rows import agreement, queues, switch
from engine.bench.rows.first import FirstPicture
from engine.bench.rows.floor import Floor
from engine.bench.rows.fp8 import COMPARED, Fp8Pictures
from engine.bench.rows.ours import Ours
from engine.bench.rows.stock import Stock, StrongestRecipe
from engine.bench.rows.subject import Subject
from engine.zimage.memory import first_line, free_memory

SPEED = ("E1", "E2", "E3")
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a row that one contender measures.

    Attributes:
        who: What a failure is said of.
        measure: Contender → its lines; None where it only prepares what others measure.
        is_elsewhere: Whether another process holds the memory, so that only the lines know of it.
    """

    row: str
    who: str
    measure: Callable[[Any], Iterable[ResultLine] | None]
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class ContenderRun:
    """What is measured while one contender is open; ``open_`` makes it, and may take its time."""

    open_: Callable[[Subject], Any]
    pieces: tuple[Piece, ...]


def contender_runs(subject: Subject) -> tuple[ContenderRun, ...]:
    """Every turn, in order: floor before ours, for both fuse the weights; the start last, on a free card."""
    switches = [Piece("E5", who, lambda each: [each.switch()]) for who in ("stock", "recipe")]
    ours = (
        *(_whole_picture(row) for row in SPEED),
        Piece("E5", "ours", lambda ours: switch.lines(subject, ours)),
        Piece("E6", "ours", lambda ours: queues.mixed(subject, ours)),
        Piece("E7", "ours", lambda ours: [queues.busy(subject, ours)]),
        *(_same_picture(subject, case) for case in CASES),
    )
    references = [Piece("E9", "stock", lambda stock: stock.remember(agreement.drawings()))]
    if subject.place.is_card:
        references.append(Piece("E4", "stock", lambda stock: stock.remember(COMPARED.values())))
    return (
        ContenderRun(Floor, tuple(_speed(row, "floor") for row in SPEED)),
        ContenderRun(Stock, (*(_speed(row, "stock") for row in SPEED), switches[0], *references)),
        ContenderRun(StrongestRecipe, (*(_speed(row, "recipe") for row in SPEED), switches[1])),
        ContenderRun(Ours, ours),
        ContenderRun(Fp8Pictures, tuple(_in_eight(row) for row in FP8)),
        ContenderRun(FirstPicture, (Piece("E8", "start", lambda start: start.lines(), is_elsewhere=True),)),
    )


def _speed(row: str, who: str) -> Piece:
    return Piece(row, who, lambda contender: [contender.line(row)])


def _in_eight(row: str) -> Piece:
    return Piece("E4", FP8[row], lambda eight: [eight.line(row)])


def _whole_picture(row: str) -> Piece:
    return Piece(row, "ours", lambda ours: ours.lines(row))


def _same_picture(subject: Subject, case: str) -> Piece:
    return Piece("E9", case, lambda ours: [agreement.line(subject, ours, case)])


def measure(subject: Subject, wanted: Collection[str]) -> Iterator[ResultLine]:
    """Measure the wanted rows, each line as soon as it is known; the subject is released at the end."""
    for turn in contender_runs(subject):
        pieces = [piece for piece in turn.pieces if piece.row in wanted]
        if not pieces:
            continue
        try:
            contender = turn.open_(subject)
        except Exception as error:  # noqa: BLE001 - one contender's failure must not end the others' run
            yield from (_failed(piece, error) for piece in pieces)
            continue
        for piece in pieces:
            yield from _lines(piece, contender, subject.place.device)
        contender.close()
        del contender
        free_memory()


def _lines(piece: Piece, contender: Any, device: torch.device) -> Iterator[ResultLine]:
    """A piece's lines, each with the peak of memory since the one before, where it names none itself."""
    lines = _measured(piece, contender)
    try:
        while True:
            with peak(device) as found:
                line = next(lines, None)
            if line is None:
                return
            is_known = line.value is None or line.peak_gib is not None or piece.is_elsewhere
            yield line if is_known or not found.nbytes else replace(line, peak_gib=found.nbytes / GIB)
    except Exception as error:  # noqa: BLE001 - see this module's first lines
        yield _failed(piece, error)


def _measured(piece: Piece, contender: Any) -> Iterator[ResultLine]:
    """Its lines one by one; nothing is measured before the first is asked for."""
    yield from piece.measure(contender) or ()


def _failed(piece: Piece, error: Exception) -> ResultLine:
    why = f"{type(error).__name__}: {first_line(error)}"
    return ResultLine(piece.row, piece.who, None, "", note=why, has_failed=True)
