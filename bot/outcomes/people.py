"""What a person learns about credits and linked chats."""

from dataclasses import dataclass, field

from bot.outcomes.hosting.people import Who
from bot.outcomes.places import Platform


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """The credits that the person has.

    Attributes:
        renews_at_s: Unix time, UTC.
        is_unlimited: The person owns the machine, and pays nothing here.
    """

    credits: int
    daily: int
    renews_at_s: int
    is_unlimited: bool = False


@dataclass(frozen=True, slots=True)
class CreditsGiven:
    """The person gave ``credits`` to another one, and has this many ``left``."""

    who: Who
    credits: int
    left: int


@dataclass(frozen=True, slots=True)
class LinkCode:
    """The code that the person types in the other chat; it expires after ``minutes``."""

    code: str = field(repr=False)
    minutes: int


@dataclass(frozen=True, slots=True)
class LinkConfirmation:
    """The owner of the code; the same code, typed again, links the person to the owner."""

    code: str = field(repr=False)
    platform: Platform
    name: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The person is now linked on these platforms and has this many credits."""

    platforms: tuple[Platform, ...]
    credits: int


@dataclass(frozen=True, slots=True)
class HostClaimed:
    """The person is a host; ``was_host``: they were one before, and the code is still valid."""

    was_host: bool


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The person has a new account on this platform; history and credits stay on the other platforms."""

    platform: Platform
