"""The answers to decisions about who may use a LoRA, and the reports to its owner."""

from bot.commands.values import LoraRevoke
from bot.languages import is_chinese
from bot.messages.catalogue import N_, shorten, text
from bot.outcomes import LoraAllowed, LoraRevoked, OwnerReport

LABEL_CHARS = 60  # Discord allows 80, phones show fewer
MOST_BUTTONS = 20


def format_decision(outcome: LoraAllowed | LoraRevoked, locale: str) -> str:
    """Return who may use the LoRA now, and what ended."""
    if isinstance(outcome, LoraAllowed):
        sentence = N_("{subject} may use {lora} from now on.")
        if not outcome.subject:
            sentence = N_("{lora} is not withdrawn any more: whoever was allowed to use it may use it again.")
        return text(sentence, locale, lora=outcome.lora, subject=outcome.subject)
    sentence = N_("{subject} may not use {lora} any more.")
    if not outcome.subject:
        sentence = N_(
            "Nobody may use {lora} any more, you included. “/lora allow {lora}” gives it back to those who "
            "may use it now."
        )
    revoked = text(sentence, locale, lora=outcome.lora, subject=outcome.subject)
    if not outcome.ended:
        return revoked
    ended = text(N_("Jobs that were stopped and refunded: {count}."), locale, count=outcome.ended)
    return revoked + ("" if is_chinese(locale) else " ") + ended


def format_owner_report(report: OwnerReport, locale: str) -> str:
    """Return the report of a month to the owner of LoRAs."""
    lines = [text(N_("How your LoRAs were used in {month}:"), locale, month=report.month)]
    for use in report.uses:
        counts = {"pictures": use.pictures, "jobs": use.jobs, "people": use.people}
        sentence = N_("{lora}: {pictures} pictures in {jobs} jobs of {people} people")
        lines.append(text(sentence, locale, lora=use.lora, **counts))
    lines.append(text(N_("“/lora revoke NAME” takes a LoRA back at once, from everybody."), locale))
    return "\n".join(lines)


def owner_report_buttons(report: OwnerReport) -> tuple[tuple[str, LoraRevoke], ...]:
    """Return a label and a command for each LoRA of a report: one press takes it back."""
    label = N_("Take back {lora}")
    return tuple(
        (shorten(text(label, report.locale, lora=use.lora), LABEL_CHARS), LoraRevoke(f"#{use.sha256}"))
        for use in report.uses[:MOST_BUTTONS]
    )
