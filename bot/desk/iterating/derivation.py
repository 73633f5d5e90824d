"""What a command changes of the job from which it continues."""

from dataclasses import dataclass

from bot.commands.values import Adopt, Enlarge, Repeat, Reroll, Vary
from bot.errors import AlreadyLarge, ChooseFromSheet, NoSheet, NoSuchPicture
from bot.outcomes import Derivation, Lineage, Start
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.request import FINAL, MAX_SEED, VARY_STRONG, VARY_SUBTLE

ContinuingCommand = Reroll | Repeat | Vary | Enlarge | Adopt
"""The commands that draw from an earlier job, except ``Draw`` with a changed text."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How a job differs from the one from which it continues; its prompt and its LoRAs are the same.

    Attributes:
        seed: None for a new one.
        start: The picture that the drawing begins with; None for noise alone.
    """

    lineage: Lineage
    seed: int | None
    count: int
    width_px: int
    height_px: int
    start: Start | None


def changes_of(command: ContinuingCommand, job: JobRow, model: ModelInfo) -> Changes:
    """Return what the command changes of ``job``.

    A job that began with a picture begins with it again. A varied or larger picture is one picture, because
    the person has chosen one; a larger one keeps its seed.

    Raises:
        AlreadyLarge: The model draws nothing larger.
        ChooseFromSheet: The pictures of a sheet are only adopted.
        NoSheet, NoSuchPicture: There is no such picture to adopt.
    """
    old = job.recipe
    if old.sheet is not None and isinstance(command, Vary | Enlarge):
        raise ChooseFromSheet(job_id=job.id)
    same = {"count": old.count, "width_px": old.width_px, "height_px": old.height_px}
    match command:
        case Reroll():
            return Changes(Lineage(Derivation.AGAIN, job.id), seed=None, start=old.start, **same)
        case Repeat():
            return Changes(Lineage(Derivation.SAME_SEED, job.id), seed=old.seed, start=old.start, **same)
        case Vary(index=index, strong=strong):
            start = Start(job.id, index, VARY_STRONG if strong else VARY_SUBTLE)
            lineage = Lineage(Derivation.VARIED, job.id, index)
            return Changes(lineage, seed=None, start=start, **same | {"count": 1})
        case Adopt(index=index):
            return _adopted(job, index)
        case Enlarge(index=index):
            sizes = model.larger_sizes(old.width_px, old.height_px)
            if not sizes:
                raise AlreadyLarge(job_id=job.id, width_px=old.width_px, height_px=old.height_px)
            return Changes(
                Lineage(Derivation.LARGER, job.id, index),
                seed=(old.seed + index) & MAX_SEED,
                count=1,
                width_px=sizes[0][0],
                height_px=sizes[0][1],
                start=Start(job.id, index, model.larger_strength),
            )


def _adopted(job: JobRow, index: int) -> Changes:
    """Return what the picture of a cell at full size changes; that of a draft begins with the draft."""
    sheet, count = job.recipe.sheet, job.recipe.count
    if sheet is None:
        raise NoSheet
    if not 0 <= index < count:
        raise NoSuchPicture(job_id=job.id, number=index + 1, count=count)
    derivation = Derivation.FINAL if sheet.is_draft else Derivation.ADOPTED
    return Changes(
        Lineage(derivation, job.id, index),
        seed=sheet.cells[index].seed,
        count=1,
        width_px=sheet.width_px,
        height_px=sheet.height_px,
        start=Start(job.id, index, FINAL) if sheet.is_draft else None,
    )
