"""Commands that continue from a job: another picture of it, its text, and who may see it.

Everywhere an empty ``job_id`` means the person's newest job, and ``index`` counts pictures from 0.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repeat:
    """Draw an earlier job again with the same seed, as a new job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Vary:
    """Draw a picture that begins with an earlier one: alike, or only composed alike if ``strong``."""

    job_id: str
    index: int
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Enlarge:
    """Draw an earlier picture larger, at up to twice its sides."""

    job_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Pick:
    """Show one picture of a job alone. It draws nothing."""

    job_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Show the text that asks for a job, so that a person can change it and send it."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Show one's own private pictures to everybody in the chat where they were asked for."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the pictures and the text of one's own ended job; a host may delete everybody's.

    Attributes:
        is_sure: The person was asked whether they mean it; else the desk asks.
    """

    job_id: str
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """Report another person's pictures to the hosts."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ListReports:
    """Show what people reported last; hosts only."""
