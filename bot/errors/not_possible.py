"""The request is valid and allowed, but impossible now."""

from bot.errors.base import NotPossible


class SizeNotAllowed(NotPossible):
    """Facts: ``width_px``, ``height_px``; ``nearest``, a tuple of (width, height)."""


class ShapeNotAllowed(NotPossible):
    """The model cannot draw this shape. Facts: ``shape`` as ``9:1``; ``nearest`` as above."""


class NoCreditsLeft(NotPossible):
    """Facts: ``price``, ``credits``, ``renews_at_s`` (unix)."""


class TooManyWaiting(NotPossible):
    """Facts: ``limit``, the jobs one person may have waiting."""


class AlreadyAsked(NotPossible):
    """The person asked for exactly this a moment ago. Facts: ``job_id`` of that, ``seconds`` since."""


class UnknownPreset(NotPossible):
    """Facts: ``name`` as typed; ``nearest``, names of the person's presets."""


class TooManyPresets(NotPossible):
    """Facts: ``limit``, how many presets a person may have."""


class PresetTooLong(NotPossible):
    """Facts: ``length`` and ``limit`` in characters."""


class NoSuchJob(NotPossible):
    """Facts: ``job_id``."""


class NoSheet(NotPossible):
    """The job is no sheet, or the person has none."""


class PicturesGone(NotPossible):
    """The job has no pictures, or the host has deleted them. Facts: ``job_id``."""


class PicturesDamaged(NotPossible):
    """The file of a picture has other bytes than it was written with. Facts: ``job_id``."""


class OriginalsExpired(NotPossible):
    """Only small previews of the job's pictures are left. Facts: ``job_id``."""


class ChooseFromSheet(NotPossible):
    """The pictures of a sheet are small and are only adopted. Facts: ``job_id``."""


class NoSuchPicture(NotPossible):
    """The job has no such picture. Facts: ``job_id``, ``number`` from 1, ``count`` of its pictures."""


class NoPictureThere(NotPossible):
    """The chosen message shows no picture of this bot."""


class SeveralJobsThere(NotPossible):
    """The chosen message is a list of several jobs."""


class StartGone(NotPossible):
    """The picture that the drawing begins with is no longer here. Facts: ``job_id``, ``number`` from 1."""


class AlreadyLarge(NotPossible):
    """The model draws nothing larger. Facts: ``job_id``, ``width_px``, ``height_px``."""


class AlreadyPublic(NotPossible):
    """Facts: ``job_id``."""


class NothingToPublish(NotPossible):
    """Nobody else reads the chat where the pictures were asked for. Facts: ``job_id``."""


class LoraWithdrawn(NotPossible):
    """A LoRA of the job may not be used any more. Facts: ``job_id``."""


class NotEnded(NotPossible):
    """The job waits or is being drawn. Facts: ``job_id``."""


class StillSending(NotPossible):
    """The result of the job is being sent at this moment. Facts: ``job_id``."""


class PressAgain(NotPossible):
    """The question before a button deletes a job. Facts: ``job_id``; ``seconds`` to press again."""


class OwnJob(NotPossible):
    """The job belongs to the person who reports it. Facts: ``job_id``."""


class TooManyReports(NotPossible):
    """Facts: ``limit``, the reports of one person a day."""


class NothingToCancel(NotPossible):
    """The person has no waiting or running job."""


class AlreadyEnded(NotPossible):
    """Facts: ``job_id``."""


class Draining(NotPossible):
    """A host lets the queue run empty, and no new job is accepted. Facts: ``reason``, which may be empty."""


class Closing(NotPossible):
    """The bot shuts down and accepts no new jobs."""


class BadLinkCode(NotPossible):
    """The code is unknown, used or expired; the sentence does not reveal which."""


class BadClaimCode(NotPossible):
    """The code is missing, wrong, used or expired; the sentence does not reveal which."""


class ClaimedElsewhere(NotPossible):
    """The page and the terminal are the host's own; a code is for the other chats."""


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
