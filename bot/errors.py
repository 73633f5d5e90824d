"""Everything that can go wrong between a person and a picture, and who can repair it.

* SugarbotError
  x PersonError                     the person: nothing is charged or changed
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
  x OperatorError                   the host: the process does not start, or a chat does not open
    + BadSettings · FolderUnusable · OutFolderUnusable · DatabaseNewer · DatabaseInUse · DatabaseDamaged
    + DatabaseMissing · DatabaseForeign · DiskFull · BackupFailed · RestoreFailed
    + TokenRefused · PortTaken · PlatformUnreachable · PackageMissing · NotStartable
    + UnknownCard · NoCard

Attributes are the facts. ``bot.messages`` has the sentences for each class in both languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


class SugarbotError(Exception):
    """An error that a person must know about.

    The keyword arguments are its facts; they fill the sentence in ``bot.messages``.
    """

    def __init__(self, **facts: object) -> None:
        super().__init__(", ".join(f"{key}={value!r}" for key, value in facts.items()))
        self.facts = facts


class PersonError(SugarbotError):
    """The person can change the request; nothing is charged."""


class NotUnderstood(PersonError):
    """The message is not a complete command."""


class EmptyPrompt(NotUnderstood):
    """There is no prompt."""


class PromptTooLong(NotUnderstood):
    """The prompt is longer than the model reads.

    Facts: ``tokens`` and ``limit`` in the model's tokens; ``excess``, approximately how many characters are
        too many.
    """


class TextTooLong(NotUnderstood):
    """The message is too long to parse. Facts: ``length`` and ``limit`` in characters."""


class UnknownCommand(NotUnderstood):
    """Facts: ``text``, the word after the slash; ``nearest``, names of commands."""


class OldButton(UnknownCommand):
    """The pressed button belongs to another version. Facts: as UnknownCommand."""


class UnknownFlag(NotUnderstood):
    """Facts: ``flag`` as typed; ``nearest``, a tuple of known flags."""


class FixedSteps(UnknownFlag):
    """The model fixes the number of steps. Facts: ``flag`` as typed."""


class NoNegativePrompt(UnknownFlag):
    """A distilled model ignores negative prompts. Facts: ``flag`` as typed."""


class NoGuidance(UnknownFlag):
    """A distilled model uses no guidance. Facts: ``flag`` as typed."""


class MissingValue(NotUnderstood):
    """A flag lacks its value.

    Facts: ``flag`` as typed; ``example``, the msgid of an example with a value.
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
    """Facts: ``limit``, the maximum number of LoRAs for one picture."""


class WeightsTooHigh(NotUnderstood):
    """The LoRAs of one picture are too strong together.

    Facts: ``total`` and ``limit``, sums of absolute weights; ``example``, the same LoRAs within the limit.
    """


class TextOnly(NotUnderstood):
    """The message is a picture, sticker, voice message or file; only text is supported."""


class LoraFileSent(NotUnderstood):
    """The message is a .safetensors file, which a host must put into the LoRA folder."""


class EditedMessage(NotUnderstood):
    """The person edited a message after its answer."""


class NotAllowed(PersonError):
    """The person may not do this."""


class HostsOnly(NotAllowed):
    """Facts: ``command``."""


class ChatNotAllowed(NotAllowed):
    """The bot does not serve this chat. Facts: ``chat``, as the host writes it in the settings."""


class NotYours(NotAllowed):
    """Facts: ``job_id``."""


class NotInPublic(NotAllowed):
    """Others can read this chat. Facts: ``command``."""


class AnonymousSender(NotAllowed):
    """The sender is a group or channel, so nobody can be charged. Facts: ``link`` to the bot."""


class NoPrivateChat(NotAllowed):
    """A group member asked for private pictures, but the bot may not write to that person in private."""


class NotPossible(PersonError):
    """The request is valid and allowed, but impossible now."""


class UnknownLora(NotPossible):
    """Facts: ``name`` as typed; ``nearest``, a tuple of names on the shelf."""


class SizeNotAllowed(NotPossible):
    """Facts: ``width_px``, ``height_px``; ``nearest``, a tuple of (width, height)."""


class ShapeNotAllowed(NotPossible):
    """The model cannot draw this shape. Facts: ``shape`` as ``9:1``; ``nearest`` as above."""


class NoCreditsLeft(NotPossible):
    """Facts: ``price``, ``credits``, ``renews_at_s`` (unix)."""


class TooManyWaiting(NotPossible):
    """Facts: ``limit``, the jobs one person may have waiting."""


class NoSuchJob(NotPossible):
    """Facts: ``job_id``."""


class PicturesGone(NotPossible):
    """The job has no pictures, or the host has deleted them. Facts: ``job_id``."""


class NothingToCancel(NotPossible):
    """The person has no waiting or running job."""


class AlreadyEnded(NotPossible):
    """Facts: ``job_id``."""


class Closing(NotPossible):
    """The bot shuts down and accepts no new jobs."""


class BadLinkCode(NotPossible):
    """The code is unknown, used or expired; the sentence does not reveal which."""


class OwnLinkCode(NotPossible):
    """The person typed their own code in the same chat; it belongs in the other chat."""


class TooManyCodes(NotPossible):
    """The person typed too many wrong codes. Facts: ``minutes`` to wait."""


class AlreadyLinked(NotPossible):
    """Both people have an account on the same platform. Facts: ``platform``."""


class NotLinked(NotPossible):
    """The person has no other account."""


class CannotSave(NotPossible):
    """The database cannot be written: the disk is full, read-only or failing, or another program locks it.

    Facts: ``detail``, for the log.
    """


class NoDiskSpace(NotPossible):
    """The host's disk has no room for the pictures. Facts: ``free_bytes``, ``needed_bytes``, for the log."""


class OperatorError(SugarbotError):
    """The host must repair something first."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the settings or the set-up that the host must repair.

    Attributes:
        code: Key of its sentence in ``bot.messages``.
        facts: Values for the sentence; never a secret.
    """

    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


class BadSettings(OperatorError):
    """Facts: ``problems``, a tuple of ``Problem``, one for each bad value."""


class FolderUnusable(OperatorError):
    """The data folder is not writable. Facts: ``path``, ``detail``."""


class OutFolderUnusable(OperatorError):
    """The folder for pictures is not writable. Facts: ``path``, ``detail``."""


class DatabaseNewer(OperatorError):
    """Facts: ``path``, ``found`` and ``known`` schema versions."""


class DatabaseInUse(OperatorError):
    """Another process uses this data folder. Facts: ``path``."""


class DatabaseDamaged(OperatorError):
    """Facts: ``path``, ``detail``."""


class DatabaseMissing(OperatorError):
    """The file does not exist. Facts: ``path``."""


class DatabaseForeign(OperatorError):
    """The file is another program's SQLite database; it stays unchanged. Facts: ``path``."""


class DiskFull(OperatorError):
    """The disk is full; no existing file changed. Facts: ``path``, the folder."""


class BackupFailed(OperatorError):
    """The backup could not be written; nothing changed. Facts: ``path``, the folder; ``detail``."""


class RestoreFailed(OperatorError):
    """The backup could not be put in place; nothing changed. Facts: ``path``, the folder; ``detail``."""


class TokenRefused(OperatorError):
    """Facts: ``platform``."""


class PortTaken(OperatorError):
    """Facts: ``host``, ``port``."""


class UnknownCard(OperatorError):
    """No card of this name is known. Facts: ``name``, ``cards``."""


class NoCard(OperatorError):
    """This machine has no card that the bot may use. Facts: ``cards``, which may be named."""


class PlatformUnreachable(OperatorError):
    """Facts: ``platform``, ``detail``."""


class PackageMissing(OperatorError):
    """An optional package is not installed. Facts: ``platform``, the chat that needs it; ``package``."""


class NotStartable(OperatorError):
    """The set-up has faults, which ``sugarbot doctor`` shows. Facts: ``problems``, a tuple of ``Problem``."""
