"""What was measured, line by line, and written down after each: nothing is lost when a run is broken off."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OURS, STOCK, RECIPE, FLOOR = "ours", "stock", "recipe", "floor"


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One figure.

    Attributes:
        row: Its place in the table of figures to reach: ``E1`` … ``E9``.
        who: ``stock``, ``recipe``, ``floor``, ``ours``; in rows that compare other things, what it is.
        value: None where nothing could be measured; ``note`` says why.
        unit: ``s``, ``ms``, ``pictures/s``, ``%``, …
        work: Usually a size.
        peak_gib: The most memory of the card meanwhile, weights included.
        has_failed: Whether it raised, rather than having been left out.
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
    """One figure to reach, and whether it is; ``measured`` and ``is_met`` are None while that is unknown."""

    row: str
    what: str
    reach: str
    measured: float | None
    is_met: bool | None


@dataclass
class ResultLog:
    """A run's lines, and where they are written.

    Attributes:
        about: The machine, its libraries, the date and the command.
        judge: Lines → figures to reach.
        writers: Called with the whole document after each line.
    """

    about: Mapping[str, Any]
    evaluate: Callable[[list[ResultLine]], list[TargetResult]]
    writers: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)
    lines: list[ResultLine] = field(default_factory=list)

    def add(self, line: ResultLine) -> None:
        """Write a line down."""
        self.lines.append(line)
        self.write()

    def write(self) -> None:
        """Replace every output; at the start, too, so that no older run's files remain."""
        document = self.document()
        for write in self.writers:
            write(document)

    def document(self) -> dict[str, Any]:
        """Everything so far, as in ``results.json``."""
        return {
            "about": dict(self.about),
            "lines": [asdict(line) for line in self.lines],
            "figures": [asdict(verdict) for verdict in self.evaluate(self.lines)],
        }


def values(lines: list[ResultLine], row: str) -> dict[str, float]:
    """What a row's lines say, by ``who``; without those that say nothing."""
    return {line.who: line.value for line in lines if line.row == row and line.value is not None}


def ratio(lines: list[ResultLine], line: ResultLine, other: str) -> float | None:
    """How many times as long as ``other`` of the same row a line took; None where that means nothing."""
    against = values(lines, line.row).get(other)
    if line.value is None or not against or line.unit != "s":
        return None
    return line.value / against


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write a document in place of the last one; a reader never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
