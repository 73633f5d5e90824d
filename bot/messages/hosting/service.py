"""Whether the bot draws and takes requests, and the answer to ``/status``."""

from bot.languages import is_chinese
from bot.messages.catalogue import N_, format_duration, join_facts, shorten, text
from bot.messages.details import translate_detail
from bot.outcomes import DrawingPaused, Service, ServiceChanged, ServiceMode, StatusShown, UnfinishedJob
from engine.formatting import in_gib

LEAST_WAIT_S = 2.0  # less is at once
PROMPT_CHARS = 60
PAUSED = N_("A host has paused the drawing; new jobs wait and keep their places.")
DRAINING = N_("A host lets the queue run empty: I draw what waits, and take no new requests.")
NO_PICTURES = {
    "loading": N_("The model is being loaded."),
    "moving": N_("The model moves to another place on the card; jobs wait for it."),
    "lost": N_("The worker was lost and is being replaced."),
}


def with_reason(sentence: str, reason: str, locale: str) -> str:
    """Return a sentence and, behind it, the reason that a host wrote, if there is one."""
    if not reason:
        return sentence
    return (
        sentence + ("" if is_chinese(locale) else " ") + text(N_("The reason: {what}"), locale, what=reason)
    )


def format_paused(note: DrawingPaused, locale: str) -> str:
    """Return what a person reads whose job waits until a host lets the drawing go on."""
    sentence = N_("A host has paused the drawing. Your job waits and keeps its place.")
    return with_reason(text(sentence, locale), note.reason, locale)


def format_service(service: Service, locale: str) -> str:
    """Return what a host decided, with the reason; empty while requests are accepted and drawn."""
    match service.mode:
        case ServiceMode.PAUSED:
            return with_reason(text(PAUSED, locale), service.reason, locale)
        case ServiceMode.DRAINING:
            return with_reason(text(DRAINING, locale), service.reason, locale)
    return ""


def format_service_changed(changed: ServiceChanged, locale: str) -> str:
    """Return what holds after a host's decision."""
    match changed.service.mode:
        case ServiceMode.PAUSED:
            sentence = N_(
                "Paused. What is being drawn is finished; {waiting} jobs wait, and new ones are accepted. "
                "/resume goes on."
            )
        case ServiceMode.DRAINING:
            sentence = N_(
                "I draw the {waiting} jobs that wait, and refuse new requests at no cost. /resume ends that."
            )
        case _ if changed.was is ServiceMode.OPEN:
            sentence = N_("Nothing was paused. {waiting} jobs wait.")
        case _:
            sentence = N_("I draw and take requests again. {waiting} jobs wait.")
    return with_reason(text(sentence, locale, waiting=changed.waiting), changed.service.reason, locale)


def format_status_shown(status: StatusShown, locale: str) -> str:
    """Return the card, what it does, when a new picture would start, and the person's own jobs."""
    card = status.card
    facts = [translate_detail(card.device_name, locale)]
    if card.memory.total_bytes:
        facts.append(text(N_("{free} GiB free for a job"), locale, free=in_gib(card.memory.free_bytes)))
    facts.append(text(N_("{count} waiting"), locale, count=card.waiting))
    return "\n".join(
        [
            join_facts(facts),
            *filter(None, [format_service(status.service, locale), format_activity(status, locale)]),
            *_own_jobs(status.jobs, locale),
        ]
    )


def format_activity(status: StatusShown, locale: str) -> str:
    """Return whether a picture is drawn, and when a new one would start."""
    if sentence := NO_PICTURES.get(status.card.state):
        return text(sentence, locale)
    drawing = text(N_("I'm drawing now.") if status.is_drawing else N_("Nothing is being drawn."), locale)
    if status.service.mode is not ServiceMode.OPEN or (wait := status.wait) is None:
        return drawing
    sentence = N_("A new picture would start at once.")
    if wait.most_s >= LEAST_WAIT_S:
        sentence = N_("A new picture would start in about {wait}.")
    start = text(sentence, locale, wait=format_duration(wait, locale))
    return drawing + ("" if is_chinese(locale) else " ") + start


def _own_jobs(jobs: tuple[UnfinishedJob, ...], locale: str) -> list[str]:
    if not jobs:
        return [text(N_("None of your jobs is waiting."), locale)]
    return [text(N_("Your jobs:"), locale), *(_own_job(job, locale) for job in jobs)]


def _own_job(job: UnfinishedJob, locale: str) -> str:
    if job.position is None:
        where = text(N_("is being drawn"), locale)
    elif job.position:
        where = text(N_("{position} before it"), locale, position=job.position)
    else:
        where = text(N_("is next"), locale)
    wait = ""
    if job.wait is not None and job.wait.most_s >= LEAST_WAIT_S:
        wait = text(N_("in about {wait}"), locale, wait=format_duration(job.wait, locale))
    return join_facts([job.job_id, where, wait, shorten(job.typed, PROMPT_CHARS)])
