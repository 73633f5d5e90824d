"""The message is not a complete command."""

from bot.errors.base import NotUnderstood


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


class SlashNeeded(NotUnderstood):
    """A command's name without its slash. Facts: ``text`` as typed; ``command``, with the slash."""


class OldButton(UnknownCommand):
    """The pressed button belongs to another version. Facts: as UnknownCommand."""


class UnknownFlag(NotUnderstood):
    """Facts: ``flag`` as typed; ``nearest``, a tuple of known flags."""


class FixedSteps(UnknownFlag):
    """The model fixes the number of steps. Facts: ``flag`` as typed."""


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


class BadPresetName(NotUnderstood):
    """Facts: ``text`` as typed, ``limit`` in characters."""


class BadLanguage(NotUnderstood):
    """Facts: ``text`` as typed."""


class BadSetting(NotUnderstood):
    """This names no setting. Facts: ``text`` as typed."""


class NothingToCompare(NotUnderstood):
    """All pictures of a comparison would be the same."""


class TooManyAxes(NotUnderstood):
    """A comparison differs in too many ways for a table. Facts: ``limit``."""


class TooManyCells(NotUnderstood):
    """A comparison has too many pictures. Facts: ``count``, ``limit``."""


class BadPage(NotUnderstood):
    """Facts: ``text`` as typed, ``limit``."""


class BadPicture(NotUnderstood):
    """A picture of a job has another number. Facts: ``text`` as typed, ``limit``."""


class TextOnly(NotUnderstood):
    """The message is a picture, sticker, voice message or file; only text is supported."""


class EditedMessage(NotUnderstood):
    """The person edited a message after its answer."""
