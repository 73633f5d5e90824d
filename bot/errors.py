"""What can go wrong between a person and a picture, and who can mend it.

* SugarbotError                     blame
  x PersonError                     USER: nothing was charged, nothing was changed
    + NotUnderstood
      - EmptyPrompt · PromptTooLong · TextTooLong · UnknownCommand (OldButton) · MissingValue
      - UnknownFlag (FixedSteps · NoNegativePrompt · NoGuidance)
      - BadSize · BadSeed · BadCount · BadWeight · TooManyLoras · WeightsTooHigh
      - TextOnly · LoraFileSent · EditedMessage
    + NotAllowed
      - HostsOnly · ChatNotAllowed · NotYours · NotInPublic · NoPrivateChat · AnonymousSender
    + NotPossible
      - UnknownLora · SizeNotAllowed · ShapeNotAllowed · NoCreditsLeft · TooManyWaiting
      - NoSuchJob · NothingToCancel · AlreadyEnded · Closing · CannotSave · NoDiskSpace
      - BadLinkCode · OwnLinkCode · TooManyCodes · AlreadyLinked · NotLinked
  x OperatorError                   OPERATOR: the process does not start, or a chat does not open
    + BadSettings · FolderUnusable · OutFolderUnusable · DatabaseNewer · DatabaseInUse · DatabaseDamaged
    + DatabaseMissing · DatabaseForeign · DiskFull · BackupFailed · RestoreFailed
    + TokenRefused · TokenMissing · PortTaken · PlatformUnreachable · PackageMissing · NotStartable

Attributes are the facts; the sentences, in both languages, stand in ``bot.messages`` under each class's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Who can do something about it."""

    USER = "user"
    OPERATOR = "operator"


class SugarbotError(Exception):
    """Something a person must be told.

    Keyword facts become attributes and fill the sentence in ``bot.messages``.
    """

    blame: ClassVar[Blame]

    def __init__(self, **facts: object) -> None:
        super().__init__(", ".join(f"{key}={value!r}" for key, value in facts.items()))
        self.facts = facts


class PersonError(SugarbotError):
    """The person can change the request; nothing was charged."""

    blame = Blame.USER


class NotUnderstood(PersonError):
    """The message is not a complete command."""


class EmptyPrompt(NotUnderstood):
    """There is no prompt."""


class PromptTooLong(NotUnderstood):
    """The model cannot read all of it.

    Facts: ``tokens`` and ``limit`` in the model's tokens; ``excess``, about how many characters are too many.
    """


class TextTooLong(NotUnderstood):
    """The message is too long to be read at all. Facts: ``length`` and ``limit`` in characters."""


class UnknownCommand(NotUnderstood):
    """Facts: ``text``, the word after the slash; ``nearest``, names of commands."""


class OldButton(UnknownCommand):
    """The pressed button was made by another version. Facts: as UnknownCommand."""


class UnknownFlag(NotUnderstood):
    """Facts: ``flag`` as typed; ``nearest``, a tuple of known flags."""


class FixedSteps(UnknownFlag):
    """The number of steps belongs to the model. Facts: ``flag`` as typed, ``steps``."""


class NoNegativePrompt(UnknownFlag):
    """A distilled model reads no negative prompt. Facts: ``flag`` as typed."""


class NoGuidance(UnknownFlag):
    """A distilled model draws without guidance. Facts: ``flag`` as typed."""


class MissingValue(NotUnderstood):
    """A flag stands without its value.

    Facts: ``flag`` as typed; ``example``, a msgid of how it is written with a value.
    """


class BadSize(NotUnderstood):
    """Facts: ``text`` as typed."""


class BadSeed(NotUnderstood):
    """Facts: ``text`` as typed, ``limit``."""


class BadCount(NotUnderstood):
    """Facts: ``text`` as typed, ``limit``."""


class BadWeight(NotUnderstood):
    """Facts: ``text`` as typed, ``limit``."""


class TooManyLoras(NotUnderstood):
    """Facts: ``limit``, the LoRAs one picture takes."""


class WeightsTooHigh(NotUnderstood):
    """The LoRAs of one picture are too strong together.

    Facts: ``total`` and ``limit``, sums of weights without signs; ``example``, the same LoRAs within it.
    """


class TextOnly(NotUnderstood):
    """A picture, sticker, voice message or file was sent; only text is read so far."""


class LoraFileSent(NotUnderstood):
    """A .safetensors file was sent to a chat; a host puts it into the LoRA folder."""


class EditedMessage(NotUnderstood):
    """A message was edited after it had been answered."""


class NotAllowed(PersonError):
    """The person may not do this."""


class HostsOnly(NotAllowed):
    """Facts: ``command``."""


class ChatNotAllowed(NotAllowed):
    """The bot does not serve this chat. Facts: ``chat``, as the host writes it in the settings."""


class NotYours(NotAllowed):
    """Facts: ``job_id``."""


class NotInPublic(NotAllowed):
    """Others can read along here. Facts: ``command``."""


class AnonymousSender(NotAllowed):
    """Written in the name of a group or channel: nobody can be charged. Facts: ``link`` to the bot."""


class NoPrivateChat(NotAllowed):
    """Private pictures were asked for in a group, and the bot may not write to the person in private."""


class NotPossible(PersonError):
    """Understood and allowed, but it cannot be done now."""


class UnknownLora(NotPossible):
    """Facts: ``name`` as typed; ``nearest``, a tuple of names on the shelf."""


class SizeNotAllowed(NotPossible):
    """Facts: ``width_px``, ``height_px``; ``nearest``, a tuple of (width, height)."""


class ShapeNotAllowed(NotPossible):
    """The model draws nothing so wide or so high. Facts: ``shape`` as ``9:1``; ``nearest`` as above."""


class NoCreditsLeft(NotPossible):
    """Facts: ``price``, ``credits``, ``renews_at_s`` (unix)."""


class TooManyWaiting(NotPossible):
    """Facts: ``limit``, the jobs one person may have waiting."""


class NoSuchJob(NotPossible):
    """Facts: ``job_id``."""


class PicturesGone(NotPossible):
    """The job has no pictures, or the host has deleted them. Facts: ``job_id``."""


class NothingToCancel(NotPossible):
    """The person has no job that waits or runs."""


class AlreadyEnded(NotPossible):
    """Facts: ``job_id``."""


class Closing(NotPossible):
    """The bot is shutting down and takes no new jobs."""


class BadLinkCode(NotPossible):
    """There is no such code, or it was used, or it is too old: which one is nobody's business."""


class OwnLinkCode(NotPossible):
    """The person's own code, which belongs into the other chat."""


class TooManyCodes(NotPossible):
    """Too many wrong codes. Facts: ``minutes`` to wait."""


class AlreadyLinked(NotPossible):
    """Both have an account there, and one person has one. Facts: ``platform``."""


class NotLinked(NotPossible):
    """This chat is the person's only one."""


class CannotSave(NotPossible):
    """The database takes nothing: the disk is full, read-only or failing, or another program holds a lock.

    Facts: ``detail``, for the log.
    """


class NoDiskSpace(NotPossible):
    """The host's disk has no room for the pictures. Facts: ``free_bytes``, ``needed_bytes``, for the log."""


class OperatorError(SugarbotError):
    """The host must mend something before this works."""

    blame = Blame.OPERATOR


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing for the host to mend in the settings or the set-up.

    Attributes:
        code: Names its sentence in ``bot.messages``.
        facts: Fill the sentence; never a secret.
    """

    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


class BadSettings(OperatorError):
    """Facts: ``problems``, a tuple of ``Problem``, one for each bad value."""


class FolderUnusable(OperatorError):
    """Nothing can be written in the data folder. Facts: ``path``, ``detail``."""


class OutFolderUnusable(OperatorError):
    """Pictures cannot be saved where the host wants them. Facts: ``path``, ``detail``."""


class DatabaseNewer(OperatorError):
    """Facts: ``path``, ``found`` and ``known`` schema versions."""


class DatabaseInUse(OperatorError):
    """Another process runs on this data folder. Facts: ``path``."""


class DatabaseDamaged(OperatorError):
    """Facts: ``path``, ``detail``."""


class DatabaseMissing(OperatorError):
    """There is no such file. Facts: ``path``."""


class DatabaseForeign(OperatorError):
    """Another program's SQLite database, which is left as it is. Facts: ``path``."""


class DiskFull(OperatorError):
    """Nothing more can be written; no existing file changed. Facts: ``path``, the folder."""


class BackupFailed(OperatorError):
    """The backup could not be written; nothing changed. Facts: ``path``, the folder; ``detail``."""


class RestoreFailed(OperatorError):
    """The backup could not be put in place; nothing changed. Facts: ``path``, the folder; ``detail``."""


class TokenMissing(OperatorError):
    """Facts: ``platform``."""


class TokenRefused(OperatorError):
    """Facts: ``platform``."""


class PortTaken(OperatorError):
    """Facts: ``host``, ``port``."""


class PlatformUnreachable(OperatorError):
    """Facts: ``platform``, ``detail``."""


class PackageMissing(OperatorError):
    """An optional package is not installed. Facts: ``platform``, the chat that needs it; ``package``."""


class NotStartable(OperatorError):
    """The set-up has faults, as ``sugarbot doctor`` shows. Facts: ``problems``, a tuple of ``Problem``."""
