"""What can go wrong with recipe codes, favourites, settings of a picture, and the export."""

from bot.errors.base import NotPossible, NotUnderstood


class BadRecipeCode(NotUnderstood):
    """The check digits of a recipe code say that it has a typo. Facts: ``text`` as typed."""


class OptionBehindCode(NotUnderstood):
    """A code draws exactly its recipe, whatever this option says. Facts: ``option``, its name; ``code``."""


class UnknownRecipe(NotPossible):
    """The code has no typo, but this bot has no such recipe. Facts: ``code``."""


class RecipeLoraGone(NotPossible):
    """The exact LoRA file of a recipe is not on the shelf any more. Facts: ``names``; ``code``."""


class PictureNeeded(NotUnderstood):
    """The command needs a picture file. Facts: none."""


class NotAPicture(NotPossible):
    """The file has no format whose settings can be read, or it is damaged."""


class NoSettings(NotPossible):
    """The picture holds no settings that can be read."""


class PictureTooLarge(NotPossible):
    """The picture's file, or the settings in it, are larger than is read. Facts: ``limit_bytes``."""


class NoPicturesYet(NotPossible):
    """The person has no jobs to export."""


class ExportRunning(NotPossible):
    """The person's export is being made already."""
