"""What hosts read of people: who waits, who is excluded, who is served."""

from bot.languages import is_chinese
from bot.messages.catalogue import N_, Times, format_duration, format_time, join_facts, shorten, text
from bot.messages.hosting.service import LEAST_WAIT_S, PROMPT_CHARS, format_service, with_reason
from bot.outcomes import (
    AccessChanged,
    AccessListing,
    BanListing,
    BanShown,
    CreditsGiven,
    CreditsGranted,
    DailyCreditsGranted,
    PersonBanned,
    PersonUnbanned,
    QueuedJob,
    QueueListing,
    Who,
)
from engine.request import TimeEstimate

MOST_LISTED = 40  # names in one message

HostedOutcome = (
    QueueListing
    | PersonBanned
    | PersonUnbanned
    | BanListing
    | CreditsGiven
    | CreditsGranted
    | DailyCreditsGranted
    | AccessChanged
    | AccessListing
)


def format_hosted(outcome: HostedOutcome, locale: str, times: Times) -> str:
    """Return the answer to a command of a host about people."""
    match outcome:
        case QueueListing():
            return _queue(outcome, locale)
        case PersonBanned():
            return _banned(outcome, locale, times)
        case PersonUnbanned(who=who):
            return text(N_("{person} may use me again."), locale, person=format_who(who))
        case BanListing(bans=()):
            return text(N_("Nobody is excluded."), locale)
        case BanListing(bans=bans):
            shown = [_ban(each, locale, times) for each in bans[:MOST_LISTED]]
            return "\n".join([text(N_("Excluded:"), locale), *shown, *_more(len(bans), locale)])
        case CreditsGiven(who=who, credits=credits, left=left):
            sentence = N_("You gave {person} {credits} credits, and have {left} left.")
            return text(sentence, locale, person=format_who(who), credits=credits, left=left)
        case CreditsGranted():
            return _granted(outcome, locale)
        case DailyCreditsGranted(who=who, until_s=None):
            sentence = N_("{person} has the usual daily allowance again.")
            return text(sentence, locale, person=format_who(who))
        case DailyCreditsGranted(who=who, daily=daily, until_s=until_s):
            facts = {"person": format_who(who), "daily": daily, "until": format_time(until_s or 0, times)}
            return text(N_("{person} has at least {daily} credits a day until {until}."), locale, **facts)
        case AccessChanged(subject=subject, is_allowed=True):
            return text(
                N_("I serve {subject} from now on. /disallow takes it back."),
                locale,
                subject=place_name(subject, locale),
            )
        case AccessChanged(subject=subject):
            sentence = N_("I no longer serve {subject}. Jobs that were accepted there are still drawn.")
            return text(sentence, locale, subject=place_name(subject, locale))
        case AccessListing():
            return _served(outcome, locale)


def format_who(who: Who) -> str:
    """Return a person's name and identity: ``Ann (discord:1234)``."""
    return f"{shorten(who.name, 32)} ({who.identity})" if who.name else who.identity


def _granted(granted: CreditsGranted, locale: str) -> str:
    sentence = N_("{person} got {credits} credits and has {left} now.")
    if granted.credits < 0:
        sentence = N_("I took {credits} credits from {person}, who has {left} now.")
    facts = {"person": format_who(granted.who), "credits": abs(granted.credits), "left": granted.left}
    return text(sentence, locale, **facts)


def _queue(listing: QueueListing, locale: str) -> str:
    lines = [_cancelled(listing, locale)] if listing.cancelled else []
    lines += [format_service(listing.service, locale)] if listing.service.since_ms else []
    if listing.page > 1:
        lines.append(text(N_("Page {page}"), locale, page=listing.page))
    if not listing.jobs:
        return "\n".join([*filter(None, lines), text(N_("Nothing waits."), locale)])
    lines += [f"{job.number}. {format_queued(job, locale)}" for job in listing.jobs]
    if listing.more:
        lines.append(text(N_("… and {count} more"), locale, count=listing.more))
    lines.append(text(N_("/cancel and its id ends a job, refunded."), locale))
    return "\n".join(filter(None, lines))


def _cancelled(listing: QueueListing, locale: str) -> str:
    sentence = N_("Job {job_id} is cancelled and refunded.")
    if any(job.job_id == listing.cancelled for job in listing.jobs):
        sentence = N_("Job {job_id} stops after its current step; what isn't drawn is refunded.")
    return text(sentence, locale, job_id=listing.cancelled)


def format_queued(job: QueuedJob, locale: str) -> str:
    """Return one job of the queue on a line."""
    if job.position is None:
        place = text(N_("is being drawn"), locale)
    elif job.wait is not None and job.wait.most_s >= LEAST_WAIT_S:
        place = text(N_("in about {wait}"), locale, wait=format_duration(job.wait, locale))
    else:
        place = text(N_("waits"), locale)
    size = f"{job.width_px} × {job.height_px}" + (f" × {job.count}" if job.count > 1 else "")
    age = format_duration(TimeEstimate(job.age_s, job.age_s), locale)
    prompt = text(N_("private"), locale) if job.is_private else shorten(job.typed, PROMPT_CHARS)
    asked = text(N_("{age} ago"), locale, age=age)
    return join_facts([job.job_id, place, asked, size, ", ".join(job.loras), format_who(job.who), prompt])


def _banned(banned: PersonBanned, locale: str, times: Times) -> str:
    ban = banned.ban
    facts = {"person": format_who(ban.who), "count": banned.ended}
    if ban.until_s is None:
        sentence = N_("{person} is excluded until you type /unban. Jobs ended and refunded: {count}.")
    else:
        sentence = N_("{person} is excluded until {until}. Jobs ended and refunded: {count}.")
        facts["until"] = format_time(ban.until_s, times)
    return with_reason(text(sentence, locale, **facts), ban.reason, locale)


def _ban(ban: BanShown, locale: str, times: Times) -> str:
    until = ""
    if ban.until_s is not None:
        until = text(N_("until {until}"), locale, until=format_time(ban.until_s, times))
    return join_facts([format_who(ban.who), until, ban.reason])


def place_name(subject: str, locale: str) -> str:
    """Return whom the bot serves: the local page by its name, everybody else by what a host types."""
    return text(N_("the local page"), locale) if subject == "web:local" else subject


def _served(listing: AccessListing, locale: str) -> str:
    if not listing.in_settings and not listing.in_chats:
        return text(N_("I serve no chat but this machine's. /allow here lets me serve a chat."), locale)
    lines = []
    for sentence, names in (
        (N_("Served by the settings: {subjects}"), listing.in_settings),
        (N_("Served by /allow: {subjects}"), listing.in_chats),
    ):
        if names:
            separator = "、" if is_chinese(locale) else ", "
            shown = [place_name(name, locale) for name in names[:MOST_LISTED]]
            lines.append(text(sentence, locale, subjects=separator.join(shown)))
            lines += _more(len(names), locale)
    return "\n".join(lines)


def _more(count: int, locale: str) -> list[str]:
    rest = count - MOST_LISTED
    return [text(N_("… and {count} more"), locale, count=rest)] if rest > 0 else []
