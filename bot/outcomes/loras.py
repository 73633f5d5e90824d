"""What a person learns about the shelf and its defaults."""

from dataclasses import dataclass, field
from enum import StrEnum

from bot.commands.values import Scope
from bot.outcomes.places import PagedListing, Platform
from engine.shelf.sidecar import LoraKind


class LoraState(StrEnum):
    """The state of a file of the LoRA folder.

    USABLE   people may choose it
    CHECKING its trial picture is not drawn yet
    REFUSED  it cannot be used; hosts learn why
    """

    USABLE = "usable"
    CHECKING = "checking"
    REFUSED = "refused"


class AddStage(StrEnum):
    """What happens to a file on its way to the shelf.

    DOWNLOAD  it is read from its site or chat
    CHECK     its header, layers and numbers are proved
    TRIAL     its trial picture is drawn
    """

    DOWNLOAD = "download"
    CHECK = "check"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class LoraAdding:
    """How far a ``LoraAdd`` is.

    Attributes:
        name: Of the file, as far as it is known.
        bytes: Read so far.
        total_bytes: Of the whole file; 0 if its site does not say.
    """

    name: str
    stage: AddStage
    bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LoraProblem:
    """Why a file cannot be used: the class of the engine's error, and its facts with its ``detail``."""

    reason: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoraSummary:
    """One LoRA of the shelf, for display.

    Attributes:
        titles: Locale → what people call it, e.g. ``{"en": "Sugar face", "zh-CN": "Sugar 面部"}``.
        trigger: The word that the desk puts before the prompt; empty if the LoRA needs none.
        weight: The recommended strength.
        sha256: Of its file; ``#`` and its start may stand for the name.
    """

    name: str
    titles: dict[str, str]
    trigger: str
    weight: float
    sha256: str = ""
    state: LoraState = LoraState.USABLE
    problem: LoraProblem | None = None


@dataclass(frozen=True, slots=True)
class LoraListing(PagedListing):
    """One page of the LoRAs, and the default of this chat (empty: none).

    Attributes:
        search: What was searched for; empty for all.
    """

    loras: tuple[LoraSummary, ...]
    default: str
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraDetails:
    """All that people may know of one LoRA.

    Attributes:
        strip: The same picture without it, at 0.5 and at 1, as one PNG; empty if it cannot be drawn now.
        is_default: This chat draws with it.
        facts: Left out for people who are not hosts.
    """

    lora: LoraSummary
    kind: LoraKind
    steps: int | None
    helpers: tuple[str, ...]
    depicts_person: bool
    is_default: bool
    facts: "LoraFileFacts | None" = None
    strip: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LoraFileFacts:
    """What a host may know of a LoRA's file."""

    bytes: int
    rank: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LoraSwitched:
    """The default LoRA has changed. Waiting jobs keep their LoRAs.

    Attributes:
        lora: The new default; empty for none.
        before: The default before; empty for none.
        seconds: From the command to the change, with the trial picture.
        is_reset: The chat, or the bot, has returned to the default above it, which ``lora`` names.
    """

    lora: str
    weight: float
    scope: Scope
    before: str = ""
    seconds: float = field(default=0.0, compare=False)
    is_reset: bool = False


@dataclass(frozen=True, slots=True)
class LoraAdded:
    """A file has passed every check and is on the shelf. ``source`` is a site, or empty for a sent file."""

    lora: str
    bytes: int
    sha256: str
    source: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LoraRemoved:
    """The file is deleted; waiting jobs still draw with it."""

    lora: str


@dataclass(frozen=True, slots=True)
class LoraChecked:
    """A file was checked again, with a trial picture; ``problem`` None means that it may be used."""

    lora: str
    seconds: float
    problem: LoraProblem | None = None


@dataclass(frozen=True, slots=True)
class ShelfReloaded:
    """The folder was read again: names that are new, gone or refused, and how many may be used."""

    usable: int
    new: tuple[str, ...]
    gone: tuple[str, ...]
    refused: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class LoraFileOffered:
    """A host sent a LoRA file without a command; the answer says how to add it."""

    name: str


@dataclass(frozen=True, slots=True)
class LoraAllowed:
    """A person or chat may use a LoRA; an empty ``subject``: it is not withdrawn any more."""

    lora: str
    subject: str


@dataclass(frozen=True, slots=True)
class LoraRevoked:
    """A LoRA was taken back from a person or chat, or from everybody; ``ended`` jobs with it have ended."""

    lora: str
    subject: str
    ended: int


@dataclass(frozen=True, slots=True)
class WeightBounded:
    """A LoRA gets another strength than the person ``asked``: its host allows ``least`` to ``most``."""

    lora: str
    asked: float
    weight: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class WeightsScaled:
    """The LoRAs of a picture weigh ``total`` together, more than ``limit``: all are scaled down.

    Attributes:
        scaled: Name, strength before and after, of each.
    """

    total: float
    limit: float
    scaled: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class HelperAttached:
    """A LoRA is always drawn with its helper."""

    lora: str
    helper: str
    weight: float


@dataclass(frozen=True, slots=True)
class HelperMissing:
    """The helper of a LoRA is not on the shelf; the picture is drawn without it."""

    lora: str
    helper: str


@dataclass(frozen=True, slots=True)
class DefaultMissing:
    """The default LoRA is not on the shelf; a request that names none is drawn without it."""


@dataclass(frozen=True, slots=True)
class FacesMixed:
    """Several LoRAs of a picture each change who is drawn."""

    loras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepsChanged:
    """The picture is drawn in as many steps as a distillation LoRA needs."""

    lora: str
    steps: int


StackNote = (
    WeightBounded
    | WeightsScaled
    | HelperAttached
    | HelperMissing
    | DefaultMissing
    | FacesMixed
    | StepsChanged
)
"""What a person should know about the LoRAs of a request that the desk accepts."""


@dataclass(frozen=True, slots=True)
class LoraUse:
    """How often a LoRA was used in a month: jobs with pictures, these pictures, and different people.

    Attributes:
        sha256: Of its present file.
    """

    lora: str
    sha256: str
    jobs: int
    pictures: int
    people: int


@dataclass(frozen=True, slots=True)
class OwnerReport:
    """A report to the owner of LoRAs, for their private chat.

    Attributes:
        id: The same report has the same id, so that a chat can recognise a repetition.
        month: As ``2026-10``.
    """

    id: int
    platform: Platform
    user_id: str
    locale: str
    month: str
    uses: tuple[LoraUse, ...]
