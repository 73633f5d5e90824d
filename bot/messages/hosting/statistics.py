"""What the bot did in the last days: the answer to ``/stats``."""

from collections.abc import Mapping

from bot.messages.catalogue import N_, format_duration, join_facts, text
from bot.outcomes import StatisticsShown
from engine.request import FailReason, TimeEstimate

MOST_NAMED = 5
FAILS: dict[str, str] = {
    FailReason.OUT_OF_MEMORY: N_("not enough memory on the card"),
    FailReason.PROMPT_TOO_LONG: N_("prompt too long"),
    FailReason.LORA_MISSING: N_("LoRA file gone"),
    FailReason.LORA_REJECTED: N_("LoRA does not fit"),
    FailReason.BLANK_PICTURE: N_("blank picture"),
    FailReason.WORKER_ERROR: N_("error while drawing"),
    FailReason.LORA_WITHDRAWN: N_("LoRA taken back"),
    FailReason.START_MISSING: N_("start picture gone"),
    FailReason.DISK_FULL: N_("disk full"),
}
RULES: dict[str, str] = {
    "NoCreditsLeft": N_("no credits left"),
    "TooManyWaiting": N_("too many jobs waiting"),
    "AlreadyAsked": N_("asked twice"),
    "ChatNotAllowed": N_("chat not allowed"),
    "HostsOnly": N_("for hosts only"),
    "Banned": N_("excluded"),
    "BannedForNow": N_("excluded for a time"),
    "Draining": N_("queue runs empty"),
    "UnknownLora": N_("unknown LoRA"),
    "SizeNotAllowed": N_("size not possible"),
    "ShapeNotAllowed": N_("shape not possible"),
    "PromptTooLong": N_("prompt too long"),
    "NoSuchJob": N_("no such job"),
    "NotYours": N_("job of somebody else"),
    "NotInPublic": N_("not in public"),
    "NoDiskSpace": N_("disk full"),
}
OTHER = N_("others")


def statistics_chart_name(locale: str) -> str:
    """Return what the picture beside ``/stats`` shows, for screen readers."""
    return text(N_("Pictures, people, failed jobs and LoRAs over time"), locale)


def format_statistics(statistics: StatisticsShown, locale: str) -> str:
    """Return the figures, one subject a line."""
    sentence = N_("The last {days} days: {pictures} pictures for {people} people.")
    if statistics.days == 1:
        sentence = N_("The last 24 hours: {pictures} pictures for {people} people.")
    facts = {"days": statistics.days, "pictures": statistics.pictures, "people": statistics.people}
    jobs = N_("Jobs: {done} done, {failed} failed, {cancelled} cancelled.")
    ended = {"done": statistics.done, "failed": statistics.failed, "cancelled": statistics.cancelled}
    return "\n".join(
        filter(
            None,
            [
                text(sentence, locale, **facts),
                text(jobs, locale, **ended),
                _waits(statistics, locale),
                _named(N_("Failed: {parts}"), statistics.fails, FAILS, locale),
                _named(N_("Refused: {parts}"), statistics.refusals, RULES, locale),
                _named(N_("LoRAs: {parts}"), statistics.loras, {}, locale),
            ],
        )
    )


def _waits(statistics: StatisticsShown, locale: str) -> str:
    if statistics.waits_s is None:
        return ""
    half, most = (format_duration(TimeEstimate(wait_s, wait_s), locale) for wait_s in statistics.waits_s)
    return text(
        N_("Waits: half of the jobs at most {half}, 95 % at most {most}."), locale, half=half, most=most
    )


def _named(sentence: str, counts: tuple[tuple[str, int], ...], names: Mapping[str, str], locale: str) -> str:
    """Return the most frequent of something; what has no name counts as other."""
    if not counts:
        return ""
    shown: dict[str, int] = {}
    for place, (key, count) in enumerate(counts):
        is_named = place < MOST_NAMED and (key in names or not names)
        name = (text(names[key], locale) if names else key) if is_named else text(OTHER, locale)
        shown[name] = shown.get(name, 0) + count
    return text(sentence, locale, parts=join_facts(f"{name} {count}" for name, count in shown.items()))
