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
    errors.Draining: N_(
        "A host lets the queue run empty, so I take no new requests now and charged nothing. Please try "
        "again later; /status shows whether I take them again."
    ),
}


def format_reason(error: BaseException, locale: str) -> str:
    """Return the reason that a host gave, as a sentence; empty if there is none."""
    reason = error.facts.get("reason") if isinstance(error, errors.Banned | errors.Draining) else ""
    return text(N_("The reason: {what}"), locale, what=reason) if reason else ""
