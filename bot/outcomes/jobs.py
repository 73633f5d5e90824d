"""What a person learns about jobs: receipts, progress, results."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from bot.commands.prompts.alternatives import draw_alternatives, escape, has_alternatives
from bot.outcomes.asking import AskingNote
from bot.outcomes.hosting import DrawingPaused, Service
from bot.outcomes.lineage import Lineage, Start
from bot.outcomes.loras import StackNote
from bot.outcomes.places import Address, Platform
from bot.outcomes.sheets import NothingSmaller, Sheet
from engine.demo.vocabulary import UnknownFeature
from engine.request import MAX_SEED, FailReason, LoraChoice, Picture, TimeEstimate


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that is needed to draw the same pictures again.

    ``prompt`` is drawn: ``triggers`` of the LoRAs and what the person ``typed``, which people see apart.

    Attributes:
        sheet: The ``count`` pictures form a sheet, and each is drawn of its cell. Then the other attributes
            sum the cells up: every LoRA once, the most steps, the first seed.
        prompts: The text of each picture, if what was typed has alternatives; ``prompt`` is the first one.
        start: The picture that the drawing begins with; None for noise alone.
        code: Its job's recipe code without dashes; empty for a job from before there were codes.
    """

    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...]
    width_px: int
    height_px: int
    seed: int
    count: int
    steps: int
    typed: str = field(default="", repr=False)
    triggers: tuple[str, ...] = ()
    prompts: tuple[str, ...] = field(default=(), repr=False)
    code: str = field(default="", compare=False)

    def seed_of(self, index: int) -> int:
        """Return the seed of picture ``index``."""
        return (self.seed + index) % (MAX_SEED + 1)

    def typed_of(self, index: int) -> str:
        """Return what the person typed, with the alternatives that picture ``index`` was drawn with."""
        return draw_alternatives(self.typed, self.seed_of(index)).text if self.prompts else self.typed

    def choices_of(self, index: int) -> tuple[str, ...]:
        """Return the alternatives that picture ``index`` was drawn with, in the order of the text."""
        return draw_alternatives(self.typed, self.seed_of(index)).choices if self.prompts else ()

    def alone(self, index: int) -> "Recipe":
        """Return the recipe of picture ``index`` alone; its text has no alternatives.

        A picture of a sheet has its full size.
        """
        if self.sheet is not None:
            return self.of_cell(index)
        one = replace(self, seed=self.seed_of(index), count=1)
        if not self.prompts:
            return one
        prompt, typed = self.prompts[index], escape(self.typed_of(index))
        return replace(one, prompt=prompt, typed=typed, prompts=(prompt,) if has_alternatives(typed) else ())

    start: Start | None = None
    sheet: Sheet | None = None

    def is_shown(self, index: int) -> bool:
        """Whether people see this picture of the job; of a sheet the picture after the last cell."""
        return self.sheet is None or index == self.count

    def of_cell(self, number: int) -> "Recipe":
        """The recipe of one cell of the sheet, at full size.

        Raises:
            LookupError: There is no such cell.
        """
        if self.sheet is None or not 0 <= number < self.count:
            raise LookupError(number)
        sheet, cell = self.sheet, self.sheet.cells[number]
        return Recipe(
            prompt=cell.prompt,
            loras=cell.loras,
            width_px=sheet.width_px,
            height_px=sheet.height_px,
            seed=cell.seed,
            count=1,
            steps=cell.steps,
            typed=cell.typed,
            triggers=cell.triggers,
            prompts=(cell.prompt,) if has_alternatives(cell.typed) else (),
        )


@dataclass(frozen=True, slots=True)
class SizeChanged:
    """The picture gets another size than the person ``requested``, as ``1000x1000`` or ``16:9``."""

    requested: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class UnknownWords:
    """Words of the prompt that the built-in model does not know; ``is_all``: it knows none of them."""

    words: tuple[str, ...] = field(repr=False)
    is_all: bool


Note = AskingNote | DrawingPaused | SizeChanged | NothingSmaller | UnknownFeature | UnknownWords | StackNote
"""What a person should know about a request that the desk accepts."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The job is stored and paid.

    Attributes:
        position: How many jobs run or wait before it; 0 means it is next.
        wait: Time until it starts; None while nothing was measured or the model still loads.
        is_loading: The model still loads, in about ``loading_s``; no job starts before it is loaded.
        repeated: This message was accepted before; no new job exists.
        address: For a ``repeated`` receipt, what ``Desk.store_placeholder`` last stored. A chat sees there
            whether it sent its placeholder before a crash. None if the job was deleted meanwhile: nothing
            would end a new placeholder.
        notes: How the pictures differ from the request, and what the model does not know.
        lineage: From which job it continues.
    """

    job_id: str
    recipe: Recipe
    price: int
    credits_left: int
    position: int
    wait: TimeEstimate | None = None
    is_loading: bool = False
    loading_s: float | None = None
    repeated: bool = False
    address: Address | None = None
    notes: tuple[Note, ...] = ()
    lineage: Lineage | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a request would be; nothing is stored or charged.

    Attributes:
        credits_left: After its price.
        position, wait, is_loading, loading_s, notes: As in ``Receipt``.
    """

    recipe: Recipe
    price: int
    credits_left: int
    position: int
    wait: TimeEstimate | None
    is_loading: bool
    loading_s: float | None
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """A waiting job is cancelled and refunded, or a running one stops after its current step."""

    job_id: str
    was_running: bool
    refund: int = 0
    is_paid: bool = True


class JobState(StrEnum):
    """The state of a job. The values equal the CHECK list of job.state in migrations/0001.

    QUEUED    accepted and paid; waits for the card
    RUNNING   taken; the worker draws it, or it waits in the worker behind another job
    DONE      every picture exists; the delivery may still be under way
    FAILED    given up; missing pictures are refunded
    CANCELLED stopped by a person; missing pictures are refunded
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether only the delivery can follow."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture on the disk: a complete PNG that contains its settings.

    Attributes:
        sha256: Of the file as it was written; empty if that is not known.
    """

    index: int
    seed: int
    path: Path
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PictureMessage:
    """A message of a chat that shows a picture of a job; ``index`` None: it is about all of them.

    Attributes:
        chat_id: Empty for an answer that one person alone sees and no bot can change later.
    """

    platform: Platform
    chat_id: str
    message_id: str
    job_id: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Originals:
    """A job's pictures, to be sent as files, without those that the host has deleted.

    Attributes:
        spoiler: They are hidden until somebody opens them.
        damaged: How many are left out because their files are damaged.
    """

    job_id: str
    pictures: tuple[PictureFile, ...]
    spoiler: bool = False
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The progress of a job that has not ended, for its placeholder; a newer status replaces it.

    Attributes:
        position: How many jobs are before it; None once it is being drawn.
        wait: Time until it starts; None while it is unknown or the job is being drawn.
        is_loading: The model still loads, in about ``loading_s``; no job starts before it is loaded.
        index: The picture being drawn, from 0; ``step`` of ``steps`` is done.
        pictures: The job's complete pictures, in memory; a lost attempt draws them again.
        spoiler: They are hidden until somebody opens them.
    """

    job_id: str
    address: Address
    locale: str
    count: int
    position: int | None
    wait: TimeEstimate | None = None
    is_loading: bool = False
    loading_s: float | None = None
    index: int = 0
    step: int = 0
    steps: int = 0
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be done with pictures beyond what every picture allows.

    Attributes:
        enlarge: The model can draw them larger.
        publish: They are private, and others read the chat where they were asked for.
        report: Others read this chat.
    """

    enlarge: bool = False
    publish: bool = False
    report: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """An ended job, to be delivered. A chat that receives it twice shows it once.

    Attributes:
        state: DONE, FAILED or CANCELLED; all three may have pictures.
        fail: The reason, if FAILED.
        refund: Credits that were refunded.
        notes: Another size than the person asked for, and words of the prompt that the model does not know.
        missing: How many files of drawn pictures are no longer on the disk.
        spoiler: The pictures are hidden until somebody opens them.
        lineage: From which job it continues.
        offers: What its controls offer.
        cells: The numbers of the pictures of a sheet that were drawn.
        is_deleted: The job was deleted before its delivery. The message with its progress says so; a chat
            without such a message sends nothing.
    """

    job_id: str
    address: Address
    user_id: str
    user_name: str
    locale: str
    private: bool
    state: JobState
    recipe: Recipe
    pictures: tuple[PictureFile, ...]
    price: int
    refund: int
    credits_left: int
    seconds: float
    fail: FailReason | None = None
    notes: tuple[Note, ...] = ()
    missing: int = 0
    spoiler: bool = False
    lineage: Lineage | None = None
    offers: Offers = field(default=Offers())
    cells: tuple[int, ...] = ()
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A snapshot of the queue, for a panel.

    Attributes:
        waiting: Jobs that wait for the card.
        drawing: The job on the card; empty while the card is idle.
        step: Steps done of the current picture, of ``steps``.
        default_lora: The default of chats without their own; empty means none.
        service: Whether a host has paused the drawing.
    """

    waiting: int
    drawing: str
    step: int
    steps: int
    default_lora: str
    service: Service = field(default=Service())
