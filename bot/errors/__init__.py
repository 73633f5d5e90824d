"""Everything that can go wrong between a person and a picture, and who can repair it.

* SugarbotError
  x PersonError                     the person: nothing is charged or changed
    + NotUnderstood
      - EmptyPrompt · PromptTooLong · TextTooLong · UnknownCommand (OldButton) · MissingValue
      - UnknownFlag (FixedSteps · NoNegativePrompt · NoGuidance)
      - BadSize · BadSeed · BadCount · BadPage · BadPicture · BadWeight · TooManyLoras · StackTooStrong
      - StepsDiffer · BadSubject · TextOnly · LoraFileSent · EditedMessage · LinkNotUnderstood
    + NotAllowed
      - HostsOnly · OwnersOnly · ChatNotAllowed · NotYours · NotInPublic · NoPrivateChat · AnonymousSender
      - LinkNotAllowed
    + NotPossible
      - UnknownLora · StepsNotPossible · SizeNotAllowed · ShapeNotAllowed · NoCreditsLeft · TooManyWaiting
      - NoSuchJob · NoSuchPicture · PicturesGone · NothingToCancel · AlreadyEnded · Closing
      - CannotSave · NoDiskSpace · NoPictureThere · SeveralJobsThere
      - LoraRefused · LoraNameTaken · LoraBuiltIn · TrialNotDrawn · ShelfNotWritable · LoraBeingChecked
      - NotSafetensors · DownloadTooLarge · DownloadMissing · DownloadNotAllowed · DownloadRedirected
      - DownloadFailed · DownloadDamaged · DownloadRunning
      - BadLinkCode · OwnLinkCode · TooManyCodes · AlreadyLinked · NotLinked
  x OperatorError                   the host: the process does not start, or a chat does not open
    + BadSettings · FolderUnusable · OutFolderUnusable · DatabaseNewer · DatabaseInUse · DatabaseDamaged
    + DatabaseMissing · DatabaseForeign · DiskFull · BackupFailed · RestoreFailed
    + TokenRefused · PortTaken · PlatformUnreachable · PackageMissing · NotStartable
    + UnknownCard · NoCard

Attributes are the facts. ``bot.messages`` has the sentences for each class in both languages.
"""

from bot.errors.base import (
    NotAllowed,
    NotPossible,
    NotUnderstood,
    OperatorError,
    PersonError,
    SugarbotError,
)
from bot.errors.downloads import (
    DownloadDamaged,
    DownloadFailed,
    DownloadMissing,
    DownloadNotAllowed,
    DownloadRedirected,
    DownloadRunning,
    DownloadTooLarge,
    LinkNotAllowed,
    LinkNotUnderstood,
    NotSafetensors,
)
from bot.errors.loras import (
    BadSubject,
    LoraBeingChecked,
    LoraBuiltIn,
    LoraFileSent,
    LoraNameTaken,
    LoraRefused,
    OwnersOnly,
    ShelfNotWritable,
    StackTooStrong,
    StepsDiffer,
    StepsNotPossible,
    TooManyLoras,
    TrialNotDrawn,
    UnknownLora,
)
from bot.errors.not_allowed import (
    AnonymousSender,
    ChatNotAllowed,
    HostsOnly,
    NoPrivateChat,
    NotInPublic,
    NotYours,
)
from bot.errors.not_possible import (
    AlreadyAsked,
    AlreadyEnded,
    AlreadyLinked,
    BadLinkCode,
    CannotSave,
    Closing,
    NoCreditsLeft,
    NoDiskSpace,
    NoPictureThere,
    NoSuchJob,
    NoSuchPicture,
    NothingToCancel,
    NotLinked,
    OwnLinkCode,
    PicturesGone,
    SeveralJobsThere,
    ShapeNotAllowed,
    SizeNotAllowed,
    TooManyCodes,
    TooManyWaiting,
)
from bot.errors.not_understood import (
    BadCount,
    BadPage,
    BadPicture,
    BadSeed,
    BadSize,
    BadWeight,
    EditedMessage,
    EmptyPrompt,
    FixedSteps,
    MissingValue,
    NoGuidance,
    NoNegativePrompt,
    OldButton,
    PromptTooLong,
    TextOnly,
    TextTooLong,
    UnknownCommand,
    UnknownFlag,
)
from bot.errors.operator import (
    BackupFailed,
    BadSettings,
    DatabaseDamaged,
    DatabaseForeign,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DiskFull,
    FolderUnusable,
    NoCard,
    NotStartable,
    OutFolderUnusable,
    PackageMissing,
    PlatformUnreachable,
    PortTaken,
    Problem,
    RestoreFailed,
    TokenRefused,
    UnknownCard,
)

__all__ = [
    "AlreadyAsked",
    "AlreadyEnded",
    "AlreadyLinked",
    "AnonymousSender",
    "BackupFailed",
    "BadCount",
    "BadLinkCode",
    "BadPage",
    "BadPicture",
    "BadSeed",
    "BadSettings",
    "BadSize",
    "BadSubject",
    "BadWeight",
    "CannotSave",
    "ChatNotAllowed",
    "Closing",
    "DatabaseDamaged",
    "DatabaseForeign",
    "DatabaseInUse",
    "DatabaseMissing",
    "DatabaseNewer",
    "DiskFull",
    "DownloadDamaged",
    "DownloadFailed",
    "DownloadMissing",
    "DownloadNotAllowed",
    "DownloadRedirected",
    "DownloadRunning",
    "DownloadTooLarge",
    "EditedMessage",
    "EmptyPrompt",
    "FixedSteps",
    "FolderUnusable",
    "HostsOnly",
    "LinkNotAllowed",
    "LinkNotUnderstood",
    "LoraBeingChecked",
    "LoraBuiltIn",
    "LoraFileSent",
    "LoraNameTaken",
    "LoraRefused",
    "MissingValue",
    "NoCard",
    "NoCreditsLeft",
    "NoDiskSpace",
    "NoGuidance",
    "NoNegativePrompt",
    "NoPictureThere",
    "NoPrivateChat",
    "NoSuchJob",
    "NoSuchPicture",
    "NotAllowed",
    "NotInPublic",
    "NotLinked",
    "NotPossible",
    "NotSafetensors",
    "NotStartable",
    "NotUnderstood",
    "NotYours",
    "NothingToCancel",
    "OldButton",
    "OperatorError",
    "OutFolderUnusable",
    "OwnLinkCode",
    "OwnersOnly",
    "PackageMissing",
    "PersonError",
    "PicturesGone",
    "PlatformUnreachable",
    "PortTaken",
    "Problem",
    "PromptTooLong",
    "RestoreFailed",
    "SeveralJobsThere",
    "ShapeNotAllowed",
    "ShelfNotWritable",
    "SizeNotAllowed",
    "StackTooStrong",
    "StepsDiffer",
    "StepsNotPossible",
    "SugarbotError",
    "TextOnly",
    "TextTooLong",
    "TokenRefused",
    "TooManyCodes",
    "TooManyLoras",
    "TooManyWaiting",
    "TrialNotDrawn",
    "UnknownCard",
    "UnknownCommand",
    "UnknownFlag",
    "UnknownLora",
]
