"""What a person finds again: pages of history, favourites, recipes, and the settings in a file."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.outcomes.jobs import JobState, PictureFile, Recipe
from bot.outcomes.lineage import Lineage


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One of the person's jobs; ``missing`` of its pictures are no longer on the disk.

    Attributes:
        favourites: The indexes of its favourite pictures.
        spoiler: The pictures are hidden until somebody opens them.
        lineage: From which job it continues.
        previews: How many of the pictures are small copies, because the originals have expired.
    """

    job_id: str
    state: JobState
    recipe: Recipe
    pictures: tuple[PictureFile, ...] = ()
    missing: int = 0
    favourites: tuple[int, ...] = ()
    spoiler: bool = False
    lineage: Lineage | None = None
    previews: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """One page of the person's jobs, newest first.

    Attributes:
        hidden: How many of the jobs that belong on this page are left out because other people read the
            answer: private jobs and jobs of other chats.
        has_more: Whether a next page exists.
        search: What was searched for; empty for all jobs.
        only_favourites: Only jobs with favourite pictures.
    """

    entries: tuple[HistoryEntry, ...]
    hidden: int = 0
    page: int = 1
    has_more: bool = False
    search: str = field(default="", repr=False)
    only_favourites: bool = False


@dataclass(frozen=True, slots=True)
class FavouriteSet:
    """Pictures of a job are favourites now, or no longer; ``index`` None means all of them."""

    job_id: str
    index: int | None
    on: bool


@dataclass(frozen=True, slots=True)
class RecipeShown:
    """What a recipe code or a job draws.

    Attributes:
        code: Without dashes.
        text: The command that asks for the same in this bot's grammar.
        gone: Names of its LoRAs whose file is not on the shelf any more; it cannot be drawn then.
        price: In credits, for whoever reads it; None if they cannot draw it now.
    """

    code: str
    text: str = field(repr=False)
    gone: tuple[str, ...] = ()
    price: int | None = None


class Setting(StrEnum):
    """A setting of a picture file that this bot cannot carry over."""

    NEGATIVE = "negative prompt"
    SAMPLER = "sampler"
    GUIDANCE = "guidance"
    STEPS = "steps"
    MODEL = "model"
    SIZE = "size"
    SEED = "seed"
    LORAS = "loras"
    HYPERNETS = "hypernets"
    UPSCALING = "upscaling"
    START = "start picture"


@dataclass(frozen=True, slots=True)
class SettingsRead:
    """The settings of a picture file, as this bot draws them.

    Attributes:
        code: The recipe code under which they are kept; empty without a prompt.
        text: As in ``RecipeShown``.
        left_out: What is not carried over, with its value in the file.
        by_name: LoRAs that were found by their name alone: the file may be another one.
        price: As in ``RecipeShown``.
    """

    code: str
    text: str = field(repr=False)
    left_out: tuple[tuple[Setting, str], ...] = ()
    by_name: tuple[str, ...] = ()
    price: int | None = None


@dataclass(frozen=True, slots=True)
class ExportReady:
    """The person's pictures and settings, as files that stay for a day.

    Attributes:
        parts: ZIP files; the settings are in the first one.
        pictures: How many are in them, the newest; ``left_out`` did not fit.
        expired: How many are no longer on the disk, or damaged.
    """

    parts: tuple[Path, ...]
    pictures: int
    left_out: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """A picture of the person that a platform has already, for its inline mode."""

    job_id: str
    index: int
    file_id: str
    typed: str = field(repr=False)
    code: str = ""
