"""What hosts see of everybody: people with their credits, and what hosts did."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.outcomes.hosting.people import BanShown, Who
from bot.outcomes.places import PagedListing


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """One person.

    Attributes:
        identities: On each platform; the first is the one that asked last.
        credits: With what today's allowance adds.
        daily: The credits that the account is filled up to each day.
        weight: The share of the card, in usual shares.
        jobs_today: Accepted since 00:00 UTC.
        unfinished: Jobs that wait or are drawn.
        last_s: When the last job was accepted, unix seconds; None without one.
        ban: None unless the person is excluded now.
    """

    identities: tuple[Who, ...]
    credits: int
    daily: int
    weight: int
    jobs_today: int
    unfinished: int
    last_s: int | None
    is_host: bool
    ban: BanShown | None = None


@dataclass(frozen=True, slots=True)
class PeopleListing(PagedListing):
    """One page of the people, who asked last first."""

    people: tuple[PersonSummary, ...]
    search: str


@dataclass(frozen=True, slots=True)
class HostAction:
    """What a host did.

    Attributes:
        action: The name of a command, or of what the bot calls it.
        subject: To whom or to what; may be empty.
        detail: Facts as JSON values.
    """

    at_s: int
    who: Who
    action: str
    subject: str
    detail: Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class HostActionListing(PagedListing):
    """One page of what hosts did, the newest first."""

    actions: tuple[HostAction, ...]
