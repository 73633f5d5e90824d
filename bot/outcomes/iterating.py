"""What a person gets who continues from a job."""

from dataclasses import dataclass, field, replace
from typing import Self

from bot.outcomes.jobs import Offers, PictureFile, PictureMessage, Recipe
from bot.outcomes.places import Platform


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
    offers: Offers = field(default=Offers())


@dataclass(frozen=True, slots=True)
class EditableText:
    """The text that asks for a job again, to be changed and sent; a chat that shows forms puts it into one.

    What a form sends back becomes ``Draw`` by ``bot.commands.grammar.parse``, with ``edited_from`` the job.
    """

    job_id: str
    text: str = field(repr=False)
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The pictures of a job are no longer private, and come to the chat where they were asked for.

    Attributes:
        is_here: They come to the address of this command, so the chat shows nothing else there.
    """

    job_id: str
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class MessagesLeft:
    """What people still see of a deleted job.

    Attributes:
        messages: Those that the bot cannot change any more.
        pending: The platforms that do not answer now; they are asked again.
    """

    messages: tuple[PictureMessage, ...] = ()
    pending: tuple[Platform, ...] = ()

    def without(self, message_id: str) -> Self:
        """Return the same without a message that has been deleted otherwise."""
        return replace(self, messages=tuple(one for one in self.messages if one.message_id != message_id))


@dataclass(frozen=True, slots=True)
class Deleted:
    """The pictures and the text of a job are gone; ``left`` is known when the chats were asked."""

    job_id: str
    left: MessagesLeft = field(default=MessagesLeft())
    is_paid: bool = True


@dataclass(frozen=True, slots=True)
class Reported:
    """The hosts find the job in their list of reports."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ReportedJob:
    """A job that somebody reported.

    Attributes:
        prompt: What its person typed.
        drawn_by: Its person, as ``platform:user_id``; ``reported_by`` alike.
        at_s: When it was reported last, in unix time.
        reports: How many people reported it.
    """

    job_id: str
    prompt: str = field(repr=False)
    drawn_by: str
    reported_by: str
    at_s: int
    reports: int


@dataclass(frozen=True, slots=True)
class ReportListing:
    """What people reported, the newest first, without what was deleted since."""

    jobs: tuple[ReportedJob, ...]
