"""Commands that find pictures and settings again."""

from dataclasses import dataclass, field

from bot.commands.values.loras import SentFile


@dataclass(frozen=True, slots=True)
class Mine:
    """Show one page of the person's jobs, the newest first, and deliver kept results again.

    Attributes:
        search: Only jobs with all of these words in their prompt or the names of their LoRAs.
        favourites: Only jobs with favourite pictures.
    """

    search: str = field(default="", repr=False)
    page: int = 1
    favourites: bool = False


@dataclass(frozen=True, slots=True)
class Favourite:
    """Make a picture of one's own job a favourite, or no longer.

    Attributes:
        job_id: Empty for the person's newest job.
        index: Counts from 0; None for all pictures of the job.
    """

    job_id: str
    index: int | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class ShowRecipe:
    """Show the settings of a recipe code or of a job; it draws nothing.

    Attributes:
        code: Without dashes; empty for the recipe of ``job_id``, and if both are, of the newest job.
    """

    code: str = ""
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class DrawRecipe:
    """Draw the recipe of a code: the same LoRA files, the same seed, so the same pixels.

    Attributes:
        code: Without dashes.
        private, spoiler, dry: As in ``Draw``.
    """

    code: str
    private: bool | None = None
    spoiler: bool | None = None
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Give the person their own pictures and settings as ZIP files."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Read the settings inside a picture file.

    Attributes:
        path: A file of the host's machine; only the console accepts one.
    """

    file: SentFile | None = None
    path: str = ""
