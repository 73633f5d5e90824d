"""Everything that can go wrong between a person and a picture, and who can repair it.

* SugarbotError
  x PersonError                     the person: nothing is charged or changed
    + NotUnderstood
      - EmptyPrompt · PromptTooLong · TextTooLong · UnknownCommand (OldButton) · MissingValue
      - UnknownFlag (FixedSteps · NoNegativePrompt · NoGuidance)
      - BadSize · BadSeed · BadCount · BadWeight · TooManyLoras · StackTooStrong · StepsDiffer · BadSubject
      - TextOnly · LoraFileSent · EditedMessage
    + NotAllowed
      - HostsOnly · OwnersOnly · ChatNotAllowed · NotYours · NotInPublic · NoPrivateChat · AnonymousSender
    + NotPossible
      - UnknownLora · StepsNotPossible · SizeNotAllowed · ShapeNotAllowed · NoCreditsLeft · TooManyWaiting
      - NoSuchJob · NothingToCancel · AlreadyEnded · Closing · CannotSave · NoDiskSpace
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
from bot.errors.loras import (
    BadSubject,
    LoraFileSent,
    OwnersOnly,
    StackTooStrong,
    StepsDiffer,
    StepsNotPossible,
    TooManyLoras,
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
    AlreadyEnded,
    AlreadyLinked,
    BadLinkCode,
    CannotSave,
    Closing,
    NoCreditsLeft,
    NoDiskSpace,
    NoSuchJob,
    NothingToCancel,
    NotLinked,
    OwnLinkCode,
    PicturesGone,
    ShapeNotAllowed,
    SizeNotAllowed,
    TooManyCodes,
    TooManyWaiting,
)
from bot.errors.not_understood import (
    BadCount,
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
    "AlreadyEnded",
    "AlreadyLinked",
    "AnonymousSender",
    "BackupFailed",
    "BadCount",
    "BadLinkCode",
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
    "EditedMessage",
    "EmptyPrompt",
    "FixedSteps",
    "FolderUnusable",
    "HostsOnly",
    "LoraFileSent",
    "MissingValue",
    "NoCard",
    "NoCreditsLeft",
    "NoDiskSpace",
    "NoGuidance",
    "NoNegativePrompt",
    "NoPrivateChat",
    "NoSuchJob",
    "NotAllowed",
    "NotInPublic",
    "NotLinked",
    "NotPossible",
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
    "ShapeNotAllowed",
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
    "UnknownCard",
    "UnknownCommand",
    "UnknownFlag",
    "UnknownLora",
]
