"""What the desk and the chats exchange: frozen values. ``bot.messages`` turns them into sentences.

* ``places``  where an answer goes, and who gave a command
* ``jobs``  what a person learns about jobs: receipts, progress, results
* ``iterating``  what a person gets who continues from a job
* ``lineage``  how a job continues from an earlier one
* ``sheets``  what a sheet of small pictures consists of
* ``controls``  the buttons under an answer
* ``asking``  what a person learns about their settings and presets
* ``finding``  what a person finds again: history, favourites, recipes, settings in files
* ``people``  what a person learns about credits and linked chats
* ``loras``  what a person learns about the shelf and its defaults
* ``outcome``  every outcome of a command
* ``output``  what the desk needs of a chat
"""

from bot.outcomes.asking import (
    Advice,
    DefaultSkipped,
    FromDefaults,
    PresetDeleted,
    PresetList,
    PresetSaved,
    SavedPreset,
    SettingsShown,
)
from bot.outcomes.controls import MOST_IN_ROW, AnswerWithControls, Control, ControlStyle, controls_of
from bot.outcomes.finding import (
    FavouriteSet,
    History,
    HistoryEntry,
    OwnPicture,
    RecipeShown,
    Setting,
    SettingsRead,
)
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
from bot.outcomes.sheets import Axis, NothingSmaller, Sheet, SheetAxis, SheetCell

__all__ = [
    "MOST_IN_ROW",
    "Address",
    "Advice",
    "AnswerWithControls",
    "Axis",
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
    "FavouriteSet",
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
    "NothingSmaller",
    "Offers",
    "Originals",
    "Outcome",
    "OwnPicture",
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
    "RecipeShown",
    "ReportListing",
    "Reported",
    "ReportedJob",
    "RetryLater",
    "SavedPreset",
    "Setting",
    "SettingsRead",
    "SettingsShown",
    "Sheet",
    "SheetAxis",
    "SheetCell",
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
