"""The person may not do this."""

from bot.errors.base import NotAllowed


class HostsOnly(NotAllowed):
    """Facts: ``command``."""


class NotLoggedIn(NotAllowed):
    """On the page, whose password the person has not given. Facts: ``command``."""


class ChatNotAllowed(NotAllowed):
    """The bot does not serve this chat. Facts: ``chat``, as a host writes it."""


class Banned(NotAllowed):
    """A host has excluded the person. Facts: ``reason``, which may be empty."""


class BannedForNow(Banned):
    """The ban ends by itself. Facts: as ``Banned``; ``until_s``, unix time."""


class BotUnclaimed(ChatNotAllowed):
    """The bot has no host yet who could allow the chat. Facts: ``chat``, as in ``ChatNotAllowed``."""


class ClaimCodeVoid(NotAllowed):
    """Others could read the code of the first host, so it is void now."""


class NotYours(NotAllowed):
    """Facts: ``job_id``."""


class LoraNotHere(NotAllowed):
    """The LoRA may not be used in this chat. Facts: ``name``."""


class NotForThatChat(NotAllowed):
    """The profile of the chat where pictures would be published does not allow them. Facts: ``job_id``."""


class SizeOverLimit(NotAllowed):
    """Pictures of this chat are smaller. Facts: ``width_px``, ``height_px``; ``limit``, (width, height)."""


class NotInPublic(NotAllowed):
    """Others can read this chat. Facts: ``command``."""


class AnonymousSender(NotAllowed):
    """The sender is a group or channel, so nobody can be charged. Facts: ``link`` to the bot."""


class NoPrivateChat(NotAllowed):
    """A group member asked for private pictures, but the bot may not write to that person in private."""
