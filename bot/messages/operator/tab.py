"""Headings, buttons and refusals of the operator tab."""

from bot.messages.catalogue import N_, text

TAB = {
    "operator": N_("Operator"),
    "page": N_("Back to the chat"),
    "log_out": N_("Log out"),
    # before the login
    "log_in": N_("Log in"),
    "password": N_("Password"),
    "closed": N_("This tab is for whoever runs the bot. Log in with the password from the settings."),
    "no_password": N_("This tab has no password yet, so it is closed."),
    "set_password": N_(
        "Choose one of at least 8 characters, put it into a file that only you can read, and name that file "
        "before the next start:"
    ),
    "or_setting": N_("Or write it into sugarbot.toml, which only you may read then:"),
    "after_password": N_(
        "From then on, commands for hosts need this login on the page, too. Until then, everyone who opens "
        "the page on this machine acts as a host."
    ),
    "your_password": N_("a sentence that you remember"),
    "wrong_password": N_("That is not the password."),
    "too_many_tries": N_("Too many wrong passwords. Try again in {seconds} s."),
    "not_logged_in": N_("You are not logged in. Reload the page to log in."),
    # the tabs
    "overview": N_("Overview"),
    "people": N_("People"),
    "loras": N_("LoRAs"),
    "log": N_("Log"),
    "audit": N_("Host actions"),
    # overview
    "last_hour": N_("The last hour"),
    "no_readings": N_("No reading of the card yet."),
    "hour_ago": N_("60 min ago"),
    "now": N_("now"),
    "errors": N_("Recent errors"),
    "no_errors": N_("None since the start."),
    # actions
    "pause": N_("Pause"),
    "ask_pause": N_("Draw nothing for now? Requests are accepted and wait."),
    "drain": N_("Drain"),
    "ask_drain": N_("Draw what waits, and refuse new requests?"),
    "resume": N_("Go on"),
    "credits": N_("How many; with a minus they are taken"),
    "days": N_("For how many days, each day so many; empty: once"),
    "grant": N_("Credits"),
    "ask_grant": N_("Give credits to {person}"),
    "duration": N_("For how long; empty: until you end it"),
    "reason": N_("What people read about it; may be empty"),
    "yes": N_("Yes"),
    "no": N_("No"),
    "cancel": N_("Cancel"),
    "ask_cancel": N_("Cancel job {job_id}? Its credits come back."),
    "ban": N_("Exclude"),
    "ask_ban": N_("Exclude {person}? Their unfinished jobs end, and their credits for them come back."),
    "unban": N_("Let back"),
    "ask_unban": N_("Let {person} use the bot again?"),
    # lists
    "queue": N_("Queue"),
    "nothing_waits": N_("Nothing waits."),
    "more": N_("… and {count} more"),
    "search": N_("Name or id"),
    "nobody": N_("Nobody found."),
    "last": N_("last asked {at}"),
    "because": N_("The reason: {what}"),
    "no_actions": N_("No host has done anything yet."),
    "newer": N_("Previous page"),
    "older": N_("Next page"),
    "no_loras": N_("The LoRA folder is empty."),
    "preview": N_("The same face without {name}, at 0.5 and at 1"),
    # log
    "level": N_("Show"),
    "everything": N_("everything"),
    "warnings": N_("warnings and errors"),
    "only_errors": N_("errors"),
    "log_about": N_("The newest {count} events since the start, without tokens and prompts; times are UTC."),
    "no_events": N_("Nothing yet."),
}


def tab_text(key: str, locale: str, **facts: object) -> str:
    """Return a text of the operator tab.

    Raises:
        KeyError: There is no such text: a bug.
    """
    return text(TAB[key], locale, **facts)
