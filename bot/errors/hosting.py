"""What hosts cannot do to people and chats, and people with their credits."""

from bot.errors.base import NotPossible, NotUnderstood


class BadDuration(NotUnderstood):
    """Facts: ``text``."""


class BadCredits(NotUnderstood):
    """Facts: ``text``; ``limit``, the most."""


class BadDays(NotUnderstood):
    """Facts: ``text``; ``limit``, the most."""


class NeverWrote(NotPossible):
    """The person has no account yet. Facts: ``who``."""


class NothingToTake(NotPossible):
    """The person has no credits, or nothing is granted a day. Facts: ``who``."""


class NothingToGive(NotPossible):
    """Only credits above the daily allowance may be given. Facts: ``limit``, how many those are."""


class UnknownRecipient(NotUnderstood):
    """No identity or unique name is meant. Facts: ``text``."""


class OwnRecipient(NotPossible):
    """People cannot give themselves credits."""


class UnknownPerson(NotUnderstood):
    """No identity, job or unique name is meant. Facts: ``text``."""


class HostNotBanned(NotPossible):
    """Hosts cannot be banned. Facts: ``who``."""


class NotBanned(NotPossible):
    """Facts: ``who``."""


class NotOnList(NotPossible):
    """The chat or person was not allowed anyway. Facts: ``subject``."""


class AllowedInSettings(NotPossible):
    """The settings allow it, which only the host of the machine changes. Facts: ``subject``."""
