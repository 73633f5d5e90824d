"""What a sheet consists of: small pictures that differ in one or two ways, and their labels."""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.request import Cell, LoraChoice


class Axis(StrEnum):
    """In what the pictures of a sheet differ; ``sheet`` of a job stores the values."""

    PROMPT = "prompt"
    LORA = "lora"
    WEIGHT = "weight"
    SEED = "seed"


@dataclass(frozen=True, slots=True)
class SheetAxis:
    """One way in which the pictures differ, and the label of each row or column; no LoRA has none."""

    axis: Axis
    labels: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SheetCell:
    """One picture of a sheet, with the attributes that ``Recipe`` has for a picture of its own."""

    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...]
    seed: int
    steps: int
    typed: str = field(default="", repr=False)
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingSmaller:
    """The model draws nothing smaller of this shape: each picture of a sheet is as large as a whole one."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """How the pictures of a job make one sheet, and what each is drawn of.

    Attributes:
        is_draft: Four drafts of one picture; otherwise a comparison.
        rows: None if the pictures differ in ``columns`` alone: then each has its own label.
        places: The number of the picture at each place, row by row; equal pictures are drawn once.
        cells: By the number of the picture.
        width_px, height_px: Of a picture that is drawn when a cell is adopted.
    """

    is_draft: bool
    rows: SheetAxis | None
    columns: SheetAxis
    places: tuple[int, ...]
    cells: tuple[SheetCell, ...]
    width_px: int
    height_px: int

    @property
    def axes(self) -> tuple[SheetAxis, ...]:
        """In what the pictures differ, rows first."""
        return (self.rows, self.columns) if self.rows else (self.columns,)

    @property
    def request_cells(self) -> tuple[Cell, ...]:
        """What the engine draws."""
        return tuple(Cell(cell.prompt, cell.loras, cell.seed, cell.steps) for cell in self.cells)

    def pictures_with(self, sha256: str) -> frozenset[int]:
        """The numbers of the pictures that are drawn with the LoRA of this content."""
        return frozenset(
            number
            for number, cell in enumerate(self.cells)
            if any(lora.sha256 == sha256 for lora in cell.loras)
        )
