"""What the desk and the chats exchange: frozen values. ``bot.messages`` turns them into sentences.

* ``places``  where an answer goes, and who gave a command
* ``jobs``  what a person learns about jobs: receipts, progress, results, history
* ``people``  what a person learns about credits and linked chats
* ``loras``  what a person learns about the shelf and its defaults
* ``outcome``  every outcome of a command
* ``output``  what the desk needs of a chat
"""

from bot.outcomes.jobs import (
    CancelAccepted,
    History,
    HistoryEntry,
    JobResult,
    JobState,
    Note,
    Originals,
    PictureFile,
    QueueStatus,
    Receipt,
    Recipe,
    SizeChanged,
    Status,
    UnknownWords,
)
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
    "Address",
    "CancelAccepted",
    "ChatOutput",
    "CommandContext",
    "CreditBalance",
    "DefaultMissing",
    "FacesMixed",
    "HelpWithVocabulary",
    "HelperAttached",
    "HelperMissing",
    "History",
    "HistoryEntry",
    "JobResult",
    "JobState",
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
    "Originals",
    "Outcome",
    "OwnerReport",
    "PictureFile",
    "Platform",
    "QueueStatus",
    "Receipt",
    "Recipe",
    "RetryLater",
    "ShelfReloaded",
    "SizeChanged",
    "StackNote",
    "Status",
    "StepsChanged",
    "Undeliverable",
    "UnknownWords",
    "Unlinked",
    "WeightBounded",
    "WeightsScaled",
]
