"""Commands that continue from a job: another picture of it, its text, and who may see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repeat:
    """Draw an earlier job again with the same seed, as a new job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Pick:
    """Show one picture of a job alone; ``index`` counts from 0. It draws nothing."""

    job_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Show the text that asks for a job, so that a person can change it and send it."""

    job_id: str
