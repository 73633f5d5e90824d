"""What a command changes of the job from which it continues."""

from dataclasses import dataclass

from bot.commands.values import Enlarge, Repeat, Reroll, Vary
from bot.errors import AlreadyLarge
from bot.outcomes import Derivation, Lineage, Start
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.request import MAX_SEED, VARY_STRONG, VARY_SUBTLE

ContinuingCommand = Reroll | Repeat | Vary | Enlarge
"""The commands that draw from an earlier job; ``Draw`` with a changed text is none of them."""


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
    """
    old = job.recipe
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
