"""What the desk and the chats exchange: frozen values. ``bot.messages`` turns them into sentences.

* ``places``  where an answer goes, and who gave a command
* ``jobs``  what a person learns about jobs: receipts, progress, results, history
* ``iterating``  what a person gets who continues from a job
* ``lineage``  how a job continues from an earlier one
* ``controls``  the buttons under an answer
* ``asking``  what a person learns about their settings and presets
* ``people``  what a person learns about credits and linked chats
* ``loras``  what a person learns about the shelf and its defaults
* ``outcome``  every outcome of a command
* ``output``  what the desk needs of a chat
"""

from bot.outcomes.asking import (
    DefaultSkipped,
    FromDefaults,
    PresetDeleted,
    PresetList,
    PresetSaved,
    SavedPreset,
    SettingsShown,
)
from bot.outcomes.controls import MOST_IN_ROW, Control, ControlStyle, controls_of
from bot.outcomes.iterating import (
    Deleted,
    EditableText,
    PickedPicture,
    Published,
    Reported,
    ReportedJob,
    ReportListing,
)
from bot.outcomes.jobs import (
    CancelAccepted,
    DryRun,
    History,
    HistoryEntry,
    JobResult,
    JobState,
    Note,
    Offers,
    Originals,
    PictureFile,
    PictureMessage,
    QueueStatus,
    Receipt,
    Recipe,
    SizeChanged,
    Status,
    UnknownWords,
)
from bot.outcomes.lineage import Derivation, Lineage, Start
from bot.outcomes.loras import (
    DefaultMissing,
    FacesMixed,
    HelperAttached,
    HelperMissing,
    LoraAdded,
    LoraAllowed,
    LoraChecked,
    LoraDetails,
    LoraFileFacts,
    LoraFileOffered,
    LoraListing,
    LoraProblem,
    LoraRemoved,
    LoraRevoked,
    LoraState,
    LoraSummary,
    LoraSwitched,
    LoraUse,
    OwnerReport,
    ShelfReloaded,
    StackNote,
    StepsChanged,
    WeightBounded,
    WeightsScaled,
)
from bot.outcomes.outcome import (
    HelpWithVocabulary,
    Outcome,
)
from bot.outcomes.output import (
    ChatOutput,
    RetryLater,
    Undeliverable,
)
from bot.outcomes.people import (
    CreditBalance,
    LinkCode,
    LinkConfirmation,
    Linked,
    Unlinked,
)
from bot.outcomes.places import (
    Address,
    CommandContext,
    Platform,
)

__all__ = [
    "MOST_IN_ROW",
    "Address",
    "CancelAccepted",
    "ChatOutput",
    "CommandContext",
    "Control",
    "ControlStyle",
    "CreditBalance",
    "DefaultMissing",
    "DefaultSkipped",
    "Deleted",
    "Derivation",
    "DryRun",
    "EditableText",
    "FacesMixed",
    "FromDefaults",
    "HelpWithVocabulary",
    "HelperAttached",
    "HelperMissing",
    "History",
    "HistoryEntry",
    "JobResult",
    "JobState",
    "Lineage",
    "LinkCode",
    "LinkConfirmation",
    "Linked",
    "LoraAdded",
    "LoraAllowed",
    "LoraChecked",
    "LoraDetails",
    "LoraFileFacts",
    "LoraFileOffered",
    "LoraListing",
    "LoraProblem",
    "LoraRemoved",
    "LoraRevoked",
    "LoraState",
    "LoraSummary",
    "LoraSwitched",
    "LoraUse",
    "Note",
    "Offers",
    "Originals",
    "Outcome",
    "OwnerReport",
    "PickedPicture",
    "PictureFile",
    "PictureMessage",
    "Platform",
    "PresetDeleted",
    "PresetList",
    "PresetSaved",
    "Published",
    "QueueStatus",
    "Receipt",
    "Recipe",
    "ReportListing",
    "Reported",
    "ReportedJob",
    "RetryLater",
    "SavedPreset",
    "SettingsShown",
    "ShelfReloaded",
    "SizeChanged",
    "StackNote",
    "Start",
    "Status",
    "StepsChanged",
    "Undeliverable",
    "UnknownWords",
    "Unlinked",
    "WeightBounded",
    "WeightsScaled",
    "controls_of",
]
