"""What hosts read of everybody: people with their credits and jobs, and what hosts did."""

from bot.messages.catalogue import N_, Times, format_time, join_facts, shorten, text
from bot.messages.hosting.people import format_who, place_name
from bot.outcomes import HostAction, HostActionListing, PeopleListing, PersonSummary
from bot.outcomes.places import PagedListing

DETAIL_CHARS = 80
ACTIONS = {
    "paused": N_("paused the drawing"),
    "draining": N_("let the queue run empty"),
    "open": N_("let the drawing go on"),
    "claim": N_("became a host"),
    "ban": N_("excluded a person"),
    "unban": N_("let a person come back"),
    "allow": N_("let the bot serve"),
    "disallow": N_("stopped serving"),
    "grant": N_("changed credits"),
    "cancel": N_("cancelled a job"),
}
FACTS = {
    "credits": N_("credits: {value}"),
    "daily": N_("each day: {value}"),
    "reason": N_("reason: {value}"),
    "ended": N_("jobs ended: {value}"),
    "waiting": N_("jobs waiting: {value}"),
}
"""What the record calls an action or a fact → what hosts read; anything else is shown as it is."""


def format_people(listing: PeopleListing, locale: str, times: Times) -> str:
    """Return one page of the people, a line for each."""
    if not listing.people:
        return text(N_("Nobody found."), locale)
    heading = text(N_("People: {total}"), locale, total=listing.total)
    return "\n".join(
        [heading, *(format_person(each, locale, times) for each in listing.people), *_page(listing, locale)]
    )


def format_person(person: PersonSummary, locale: str, times: Times) -> str:
    """Return one person on a line: who, credits, jobs, and what is special."""
    return join_facts([", ".join(map(format_who, person.identities)), *person_facts(person, locale, times)])


def person_facts(person: PersonSummary, locale: str, times: Times) -> list[str]:
    """Return what a host reads of a person besides the names."""
    jobs = text(N_("jobs today: {count}"), locale, count=person.jobs_today)
    facts = [
        text(N_("credits: {credits}, each day {daily}"), locale, credits=person.credits, daily=person.daily),
        jobs,
    ]
    if person.unfinished:
        facts.append(text(N_("{count} waiting"), locale, count=person.unfinished))
    if person.weight > 1:
        facts.append(text(N_("tier with {weight} shares of the card"), locale, weight=person.weight))
    if person.is_host:
        facts.append(text(N_("host"), locale))
    if person.ban is not None:
        facts.append(_excluded(person, locale, times))
    return facts


def format_host_actions(listing: HostActionListing, locale: str, times: Times) -> str:
    """Return one page of what hosts did, a line for each."""
    if not listing.actions:
        return text(N_("No host has done anything yet."), locale)
    lines = (format_host_action(each, locale, times) for each in listing.actions)
    return "\n".join([*lines, *_page(listing, locale)])


def format_host_action(action: HostAction, locale: str, times: Times) -> str:
    """Return what one host did on a line: when, who, what, to whom, and the facts of the record."""
    facts = [
        _fact(key, value, locale, times) for key, value in action.detail.items() if value not in (None, "", 0)
    ]
    return join_facts(
        [
            format_time(action.at_s, times),
            format_who(action.who),
            text(ACTIONS[action.action], locale) if action.action in ACTIONS else action.action,
            shorten(place_name(action.subject, locale), DETAIL_CHARS),
            shorten(join_facts(facts), DETAIL_CHARS),
        ]
    )


def _fact(key: str, value: str | int | None, locale: str, times: Times) -> str:
    """Return a fact of the record as a host reads it."""
    if key == "until_ms" and isinstance(value, int):
        return text(N_("until {until}"), locale, until=format_time(value // 1_000, times))
    return text(FACTS[key], locale, value=value) if key in FACTS else f"{key}={value}"


def _excluded(person: PersonSummary, locale: str, times: Times) -> str:
    assert person.ban is not None  # noqa: S101 - called for those who are excluded
    if person.ban.until_s is None:
        return text(N_("excluded"), locale)
    return text(N_("excluded until {until}"), locale, until=format_time(person.ban.until_s, times))


def _page(listing: PagedListing, locale: str) -> list[str]:
    if listing.pages == 1:
        return []
    return [
        text(
            N_("Page {page} of {pages}; --page shows another."),
            locale,
            page=listing.page,
            pages=listing.pages,
        )
    ]
