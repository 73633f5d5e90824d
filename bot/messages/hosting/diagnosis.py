"""What a running bot finds of itself: the answer to ``/doctor``."""

from bot.messages.catalogue import N_, PLATFORM_NAMES, text
from bot.messages.checks import format_finding, part_title
from bot.outcomes import Diagnosis, FoundFault

MOST_LISTED = 12  # one message


def format_diagnosis(diagnosis: Diagnosis, locale: str) -> str:
    """Return the faults, then what is worth knowing, one a line."""
    lines = [_line(fault, locale) for fault in diagnosis.faults[:MOST_LISTED]]
    rest = len(diagnosis.faults) - len(lines)
    if rest:
        lines.append(text(N_("… and {count} more; sugarbot doctor shows all."), locale, count=rest))
    for platform in diagnosis.unanswered:
        sentence = N_("{platform} did not answer in time, so it was not checked.")
        lines.append(text(sentence, locale, platform=PLATFORM_NAMES[platform]))
    if any(not fault.is_note for fault in diagnosis.faults):
        lines.append(text(N_("{count} other checks are fine."), locale, count=diagnosis.fine))
    else:
        lines.append(text(N_("No fault found; {count} checks are fine."), locale, count=diagnosis.fine))
    return "\n".join(lines)


def _line(fault: FoundFault, locale: str) -> str:
    sign = "–" if fault.is_note else "✗"
    title, sentence = part_title(fault.part, locale), format_finding(fault.code, fault.facts, locale)
    return text(N_("{sign} {title}: {what}"), locale, sign=sign, title=title, what=sentence)
