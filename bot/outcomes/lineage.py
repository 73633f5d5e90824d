"""How a job continues from an earlier one."""

from dataclasses import dataclass
from enum import StrEnum


class Derivation(StrEnum):
    """What a job changes of an earlier one. The values equal the CHECK list of job.derivation.

    AGAIN     the same with a new seed
    SAME_SEED the same with the same seed
    VARIED    begins with one of its pictures
    LARGER    one of its pictures, larger
    EDITED    its text, changed by a person
    ADOPTED   the settings of a cell of a comparison
    FINAL     one of its drafts, at full size
    """

    AGAIN = "again"
    SAME_SEED = "same_seed"
    VARIED = "varied"
    LARGER = "larger"
    EDITED = "edited"
    ADOPTED = "adopted"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Lineage:
    """From which job a job continues, and how; ``index`` is the picture, None for the whole job."""

    derivation: Derivation
    job_id: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The earlier picture that a drawing begins with, and its strength as in ``StartPicture``."""

    job_id: str
    index: int
    strength: float
