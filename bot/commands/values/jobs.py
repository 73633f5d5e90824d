"""Commands about a job that exists."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reroll:
    """Draw an earlier job again with a new seed."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a job; without ``job_id``, the person's newest unfinished job.

    Attributes:
        job_id: Empty: the newest.
        page: Of ``/queue``, if a host pressed the button of a job there; the answer is that page again.
    """

    job_id: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """Send a job's pictures as uncompressed files that contain their settings."""

    job_id: str
