"""Why a command of a host is refused, and what a banned person reads."""

from bot import errors
from bot.messages.catalogue import N_, text

HOSTING_SENTENCES: dict[type[Exception], str] = {
    errors.Banned: N_(
        "A host has excluded you from this bot. If you think that this is a mistake, please write to a host. "
        "You can still use /mine, /export and /delete."
    ),
    errors.BannedForNow: N_(
        "A host has excluded you from this bot until {until}. If you think that this is a mistake, please "
        "write to a host. You can still use /mine, /export and /delete."
    ),
    errors.BadDuration: N_("“{text}” is not a time. Write a number and its unit, like 30min, 12h, 7d or 2w."),
    errors.BadDays: N_("“{text}” is not a number of days. Write a whole number from 1 to {limit}."),
    errors.BadCredits: N_("“{text}” is not a number of credits. Write a whole number up to {limit}."),
    errors.NeverWrote: N_("{who} has never written to me. Ask them to send me /help first."),
    errors.NothingToTake: N_("{who} has nothing that I could take back."),
    errors.NothingToGive: N_(
        "Of your credits you can give {limit} now: those that were given to you. The daily allowance is for "
        "you alone."
    ),
    errors.UnknownRecipient: N_(
        "I don't know whom “{text}” means. Write a mention, an id like discord:1234, or a name that only one "
        "person has."
    ),
    errors.OwnRecipient: N_("You can't give yourself credits. Name another person."),
    errors.UnknownPerson: N_(
        "I don't know whom “{text}” means. Write a mention, an id like discord:1234, or the id of one of "
        "their jobs; /queue and /reports show both."
    ),
    errors.HostNotBanned: N_("{who} is a host, and hosts can't be excluded."),
    errors.NotBanned: N_("{who} is not excluded. /ban alone shows who is."),
    errors.NotOnList: N_("{subject} is not on the list. /allow alone shows what I serve."),
    errors.AllowedInSettings: N_(
        "{subject} is allowed in sugarbot.toml. Take it out of “allow” there; a chat can't change that file."
    ),
    errors.Draining: N_(
        "A host lets the queue run empty, so I take no new requests now and charged nothing. Please try "
        "again later; /status shows whether I take them again."
    ),
}


def format_reason(error: BaseException, locale: str) -> str:
    """Return the reason that a host gave, as a sentence; empty without a reason."""
    reason = error.facts.get("reason") if isinstance(error, errors.Banned | errors.Draining) else ""
    return text(N_("The reason: {what}"), locale, what=reason) if reason else ""
