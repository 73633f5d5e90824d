"""What a person gets who continues from a job."""

from dataclasses import dataclass, field

from bot.outcomes.jobs import PictureFile, Recipe


@dataclass(frozen=True, slots=True)
class PickedPicture:
    """One picture of a job alone, for a message with all its controls.

    Attributes:
        recipe: Of this picture.
        is_private: Only the person may see the answer.
        spoiler: The picture is hidden until somebody opens it.
    """

    job_id: str
    picture: PictureFile
    recipe: Recipe
    is_private: bool = False
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class EditableText:
    """The text that asks for a job again, to be changed and sent; a chat that shows forms puts it into one.

    What a form sends back becomes ``Draw`` by ``bot.commands.grammar.parse``, with ``edited_from`` the job.
    """

    job_id: str
    text: str = field(repr=False)
    is_private: bool = False
