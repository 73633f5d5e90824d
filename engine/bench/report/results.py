"""The measured lines of a run. They are written after each line, so that an aborted run loses nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.durable import make_folder, write_file

OURS, STOCK, RECIPE, FLOOR = "ours", "stock", "recipe", "floor"


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One measured figure.

    Attributes:
        row: Its row: ``E1`` … ``E12``.
        who: ``stock``, ``recipe``, ``floor``, ``ours``; in rows that compare other things, what was measured.
        value: None if nothing could be measured; ``note`` gives the reason.
        unit: ``s``, ``ms``, ``pictures/s``, ``%``, …
        work: Usually a size.
        peak_gib: Peak memory of the card, weights included.
        has_failed: Whether the measurement raised an error.
    """

    row: str
    who: str
    value: float | None
    unit: str = "s"
    work: str = ""
    peak_gib: float | None = None
    note: str = ""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One target and whether it is met; ``measured`` and ``is_met`` are None if unknown."""

    row: str
    what: str
    reach: str
    measured: float | None
    is_met: bool | None


@dataclass
class ResultLog:
    """A run's lines and their outputs.

    Attributes:
        about: The machine, its libraries, the date and the command.
        evaluate: Lines → results of the targets.
        writers: Called with the whole document after each line.
    """

    about: Mapping[str, Any]
    evaluate: Callable[[list[ResultLine]], list[TargetResult]]
    writers: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)
    lines: list[ResultLine] = field(default_factory=list)

    def add(self, line: ResultLine) -> None:
        """Add a line and write all outputs."""
        self.lines.append(line)
        self.write()

    def write(self) -> None:
        """Replace all outputs. Call it at the start, too, so that no older run's files remain."""
        document = self.document()
        for write in self.writers:
            write(document)

    def document(self) -> dict[str, Any]:
        """Return the document so far, as in ``results.json``."""
        return {
            "about": dict(self.about),
            "lines": [asdict(line) for line in self.lines],
            "figures": [asdict(verdict) for verdict in self.evaluate(self.lines)],
        }


def values(lines: list[ResultLine], row: str) -> dict[str, float]:
    """Return a row's values by ``who``, without lines that have no value."""
    return {line.who: line.value for line in lines if line.row == row and line.value is not None}


def ratio(lines: list[ResultLine], line: ResultLine, other: str) -> float | None:
    """Return a line's seconds divided by those of ``other`` in the same row; None if not comparable."""
    against = values(lines, line.row).get(other)
    if line.value is None or not against or line.unit != "s":
        return None
    return line.value / against


def write_json(document: dict[str, Any], path: Path) -> None:
    """Replace a document durably."""
    make_folder(path.parent)
    write_file(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
