"""The claim of the bot by its first host: its refusals, its answer, and how to do it."""

from bot import errors
from bot.messages.catalogue import N_, text
from bot.outcomes import HostClaimed

CLAIM_SENTENCES: dict[type[Exception], str] = {
    errors.BotUnclaimed: N_(
        "I have no host yet, so I draw for nobody. Is this bot yours? Run `sugarbot setup --claim` on its "
        "machine, and send me what it shows in a private chat: /claim and a code. Otherwise please ask "
        "whoever runs me."
    ),
    errors.BadClaimCode: N_(
        "That code is not valid: a code works once, for 24 hours. `sugarbot setup --claim` on the bot's "
        "machine shows a new one."
    ),
    errors.ClaimCodeVoid: N_(
        "Other people can read this, so that code is void now. Make a new one with `sugarbot setup --claim`, "
        "and send it to me in a private chat."
    ),
    errors.ClaimedElsewhere: N_("Please send the code to the bot in Discord or Telegram, in a private chat."),
}


def format_claimed(outcome: HostClaimed, locale: str) -> str:
    """Return the answer to a claim."""
    if outcome.was_host:
        return text(N_("You are a host of this bot already. The code stays valid."), locale)
    return text(
        N_(
            "You are my host now, so I draw for you in every chat. Everybody else waits until you type "
            "/allow here in their chat. /help hosts shows what else you can do."
        ),
        locale,
    )


def how_to_claim(code: str, locale: str) -> str:
    """Return what to do with a new code, for the host's terminal."""
    sentence = N_(
        "The bot is closed until it has a host. To become it, send this to the bot in a private chat within "
        "24 hours: /claim {code}"
    )
    return text(sentence, locale, code=code)


def code_was_shown(locale: str) -> str:
    """Return what to do while an earlier code is valid, for the host's terminal."""
    sentence = N_(
        "The bot is closed until it has a host. Send it the code that you have, in a private chat: /claim "
        "CODE. `sugarbot setup --claim` shows a new one."
    )
    return text(sentence, locale)
