"""Commands about the person: credits, linked chats, help."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quota:
    """Show how many credits are left and when they renew."""


@dataclass(frozen=True, slots=True)
class GiveCredits:
    """Give another person credits of one's own; ``person`` is a mention, an id or a name.

    Attributes:
        credits: Above zero.
    """

    person: str
    credits: int


@dataclass(frozen=True, slots=True)
class Link:
    """Link two chats to one person; without ``code``, issue a code to type in the other chat."""

    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unlink:
    """Become a separate person in this chat."""


@dataclass(frozen=True, slots=True)
class ClaimBot:
    """Become a host, with the code that the shell commands show on the bot's machine."""

    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Help:
    """Show what the bot can do; or, ``for_hosts``, the commands of hosts."""

    for_hosts: bool = False


@dataclass(frozen=True, slots=True)
class ShowCard:
    """Show the card: its last hour, the plan and recent errors; hosts only."""
