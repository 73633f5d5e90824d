"""The values that enter and leave the engine: a request in, events and pictures out.

All are frozen and hold plain data, so they can be stored, sent over a socket and compared in tests.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

STEPS = 8  # forwards of the distilled Turbo model, guidance 0 (model card of Z-Image-Turbo)
MAX_PROMPT_TOKENS = 512  # as ZImagePipeline encodes, chat layout included; it cuts off the rest
MAX_SEED = 2**32 - 1  # the largest seed that other tools read from a picture's settings
MAX_LORAS = 4  # a stack beyond this only degrades a distilled model
# Strengths of start pictures, by looking at the built-in model's and by SSIM with the start (`python -m
# engine.demo.judge.starts`, faces of 2026-11-29). The probe still sees every trait at 0.7.
VARY_SUBTLE = 0.4  # irises, hair and highlights change, the face does not: SSIM 0.93
VARY_STRONG = 0.7  # clothes and the background change, the pose does not: SSIM 0.80 to 0.87
FINAL = 0.5  # of a draft: its composition stays (SSIM 0.9 with other noise), and what it lacks is drawn in
LARGER = 0.3  # details are drawn into what Lanczos has blurred; a variation at its strength has SSIM 0.95


@dataclass(frozen=True, slots=True)
class LoraChoice:
    """One LoRA of a picture, pinned to its file's content.

    Attributes:
        name: Its name on the shelf.
        sha256: Hash of the file at the time the job was accepted; the worker refuses any other content.
        weight: Strength, -2.0 … 2.0; 1.0 is as trained.
    """

    name: str
    sha256: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class StartPicture:
    """An earlier picture of ours that a job begins with, instead of noise alone.

    Attributes:
        png: The whole file, as the worker made it; the worker resizes the picture to the request's size.
        strength: The part of the schedule that is drawn again, 0 < … <= 1; 1 equals noise alone.

    Raises:
        ValueError: The strength is outside its range.
    """

    png: bytes = field(repr=False)
    strength: float

    def __post_init__(self) -> None:
        """Check the strength, wherever the value comes from."""
        if not 0 < self.strength <= 1:
            raise ValueError("The strength of a start picture is above 0 and at most 1.")


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identifies one content of a file without reading it."""

    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class LoraSource:
    """A file that has the content of a LoRA, or had it; the worker proves that before it uses the bytes.

    Attributes:
        path: Below a folder of LoRAs.
        stamp: Of the file when its hash was ``sha256``; None if the worker has to compute it.
    """

    sha256: str
    path: Path
    stamp: FileStamp | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What the pictures of one job may differ in.

    Attributes:
        prompt: The final text, triggers included; never logged.
        seed: 0 … MAX_SEED.
    """

    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...]
    seed: int
    steps: int = STEPS


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """All that the worker needs to draw one job; nothing about the person.

    Picture ``i`` of ``count`` is drawn alone with seed ``(seed + i) % 2**32``, so each can be reproduced. A
    request with ``cells`` draws picture ``i`` of ``cells[i]`` instead; ``prompt`` and ``seed`` then count for
    nothing, ``loras`` are those of all cells and ``steps`` the most.

    Attributes:
        job_id: Names the job in events and logs.
        attempt: Counts from 1; events repeat it, so that late events can be ignored.
        prompt: The final text, triggers included; never logged.
        width_px, height_px: Multiples of 16 within the model's limits.
        seed: 0 … MAX_SEED, of the first picture.
        steps: Of the whole schedule.
        start: What every picture of the job begins with; None for noise alone.
        prompts: The text of each picture, if they differ; empty: every picture has ``prompt``.
        lora_files: Where the LoRAs are; of several files with one content the first comes first.
    """

    job_id: str
    attempt: int
    prompt: str = field(repr=False)
    width_px: int
    height_px: int
    seed: int
    count: int = 1
    loras: tuple[LoraChoice, ...] = ()
    steps: int = STEPS
    start: StartPicture | None = None
    prompts: tuple[str, ...] = field(default=(), repr=False)
    lora_files: tuple[LoraSource, ...] = ()
    cells: tuple[Cell, ...] = ()

    def cell(self, index: int) -> Cell:
        """Return what picture ``index`` of ``count`` is drawn of."""
        if self.cells:
            return self.cells[index]
        return Cell(self.prompt_of(index), self.loras, (self.seed + index) % (MAX_SEED + 1), self.steps)

    def steps_of(self, index: int) -> int:
        """Return the steps that picture ``index`` takes."""
        return self.cells[index].steps if self.cells else self.steps_taken

    @property
    def steps_taken(self) -> int:
        """The steps that one picture takes; of a sheet, the most."""
        return self.steps if self.start is None else remaining_steps(self.steps, self.start.strength)

    def prompt_of(self, index: int) -> str:
        """Return the text that picture ``index`` is drawn with."""
        return self.prompts[index] if self.prompts else self.prompt


def remaining_steps(steps: int, strength: float) -> int:
    """Return how many of ``steps`` a picture takes that begins with another one at this strength."""
    return max(1, math.ceil(steps * strength - 1e-6))  # 0.7 is not quite seven tenths


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture: a complete PNG file, its settings inside (``parameters`` text chunk).

    Attributes:
        index: Its number in the job, from 0.
        png: The file's bytes.
    """

    index: int
    seed: int
    width_px: int
    height_px: int
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Timings:
    """The stages of one job in seconds, summed over its pictures.

    ``lora_s`` LoRAs copied to the device; merging them is part of ``text_s`` and ``denoise_s`` ·
    ``text_s`` prompt → embedding · ``denoise_s`` the forwards ·
    ``decode_s`` latents → pixels on the host · ``encode_s`` pixels → stamped PNG ·
    ``start_s`` start picture → latents, once a job.
    """

    lora_s: float = 0.0
    text_s: float = 0.0
    denoise_s: float = 0.0
    decode_s: float = 0.0
    encode_s: float = 0.0
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A denoising step of one picture is done: ``step`` of ``steps`` to take, picture ``index`` of the job.

    Step 0 of picture 0 is the job's beginning; before it the job was ready in the worker, behind another.

    Attributes:
        held_bytes: What the worker holds on the card now and would use again; 0 if it does not tell.
    """

    job_id: str
    attempt: int
    index: int
    step: int
    steps: int
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture of the job is complete; more may follow."""

    job_id: str
    attempt: int
    picture: Picture


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is complete; every picture was sent before, as ``Drawn``.

    Attributes:
        peak_bytes: The most memory the job held on the card, weights included; 0 where unknown.
        held_bytes: What the worker keeps of the device between jobs; 0 where unknown.
        kept_bytes: How much of that is in use: weights, their copy, LoRAs; 0 where unknown.
        lora_bytes: How much of that is LoRAs.
        yields_bytes: How much of that the worker gives up by itself if a job needs the memory.
    """

    job_id: str
    attempt: int
    timings: Timings
    peak_bytes: int = 0
    held_bytes: int = 0
    kept_bytes: int = 0
    lora_bytes: int = 0
    yields_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """A predicted length of time: in eight of ten cases it is between these seconds."""

    least_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job was cancelled between two steps; pictures sent before are kept."""

    job_id: str
    attempt: int


class FailReason(StrEnum):
    """Why a job failed.

    OUT_OF_MEMORY   the card had not enough memory, also in a second try that needs less
    PROMPT_TOO_LONG the text has more tokens than the text encoder takes
    LORA_MISSING    no file on the shelf has the hash that the job was accepted with
    LORA_REJECTED   the file is damaged or made for another model
    BLANK_PICTURE   the result was not a picture (not finite, or one flat colour)
    WORKER_ERROR    anything else; the worker's log has the details
    DISK_FULL       the parent could not save the pictures: no space left on the disk
    LORA_WITHDRAWN  a LoRA of the job may no longer be used
    START_MISSING   the file of the picture that it begins with is gone or damaged
    """

    OUT_OF_MEMORY = "out_of_memory"
    PROMPT_TOO_LONG = "prompt_too_long"
    LORA_MISSING = "lora_missing"
    LORA_REJECTED = "lora_rejected"
    BLANK_PICTURE = "blank_picture"
    WORKER_ERROR = "worker_error"
    DISK_FULL = "disk_full"
    LORA_WITHDRAWN = "lora_withdrawn"
    START_MISSING = "start_missing"


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot be drawn.

    Attributes:
        detail: One line for the log, without prompt text.
    """

    job_id: str
    attempt: int
    reason: FailReason
    detail: str = ""


Event = Progress | Drawn | Finished | Stopped | Failed


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a started worker reports about itself.

    Attributes:
        device: ``cuda:0``, ``cpu``, …
        device_name: For people: ``NVIDIA H200``, ``CPU, 2 threads``.
        dtype: ``bfloat16`` or ``float32``, with the choice explained in ``dtype_reason``.
        load_s: Seconds from process start to ready.
        weights_bytes: Memory the loaded model holds on the device.
        host_bytes: Main memory that holds weights for a card.
        plan: Where the model lives, in words for the log; empty if all of it is on the device.
    """

    pid: int
    device: str
    device_name: str
    dtype: str
    dtype_reason: str
    model_name: str
    load_s: float
    weights_bytes: int
    versions: dict[str, str] = field(default_factory=dict)
    host_bytes: int = 0
    plan: str = ""
