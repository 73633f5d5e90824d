"""Every outcome of a command."""

from dataclasses import dataclass

from bot.commands.values import Help
from bot.outcomes.asking import PresetDeleted, PresetList, PresetSaved, ProfileShown, SettingsShown
from bot.outcomes.finding import ExportReady, FavouriteSet, History, RecipeShown, SettingsRead
from bot.outcomes.hosting import (
    AccessChanged,
    AccessListing,
    BanListing,
    CreditsGranted,
    DailyCreditsGranted,
    Diagnosis,
    HostActionListing,
    PeopleListing,
    PersonBanned,
    PersonUnbanned,
    QueueListing,
    ServiceChanged,
    StatisticsShown,
    StatusShown,
)
from bot.outcomes.iterating import (
    Deleted,
    EditableText,
    PickedPicture,
    Published,
    Reported,
    ReportListing,
)
from bot.outcomes.jobs import CancelAccepted, DryRun, Originals, Receipt
from bot.outcomes.loras import (
    LoraAdded,
    LoraAllowed,
    LoraChecked,
    LoraDetails,
    LoraFileOffered,
    LoraListing,
    LoraRemoved,
    LoraRevoked,
    LoraSwitched,
    ShelfReloaded,
)
from bot.outcomes.people import (
    CreditBalance,
    CreditsGiven,
    HostClaimed,
    LinkCode,
    LinkConfirmation,
    Linked,
    Unlinked,
)
from engine.host.report import CardReport


@dataclass(frozen=True, slots=True)
class HelpWithVocabulary:
    """Help for a model with a small vocabulary: ``lines`` list its words in the person's language."""

    lines: tuple[str, ...]


Outcome = (
    Receipt
    | DryRun
    | SettingsShown
    | PresetList
    | PresetSaved
    | PresetDeleted
    | ProfileShown
    | CancelAccepted
    | CreditBalance
    | History
    | FavouriteSet
    | RecipeShown
    | SettingsRead
    | ExportReady
    | Originals
    | PickedPicture
    | EditableText
    | Published
    | Deleted
    | Reported
    | ReportListing
    | HostClaimed
    | LinkCode
    | LinkConfirmation
    | Linked
    | Unlinked
    | LoraListing
    | LoraDetails
    | LoraSwitched
    | LoraAllowed
    | LoraRevoked
    | LoraAdded
    | LoraRemoved
    | LoraChecked
    | ShelfReloaded
    | LoraFileOffered
    | Help
    | HelpWithVocabulary
    | CardReport
    | StatusShown
    | Diagnosis
    | StatisticsShown
    | QueueListing
    | PeopleListing
    | HostActionListing
    | PersonBanned
    | PersonUnbanned
    | BanListing
    | CreditsGiven
    | CreditsGranted
    | DailyCreditsGranted
    | AccessChanged
    | AccessListing
    | ServiceChanged
)
