"""What is said of one job: where it stands while it waits, and the caption of what became of it."""

from bot.messages.catalogue import N_, joined, shown, span, text
from bot.messages.failures import FAILED
from bot.messages.notes import not_understood
from bot.outcomes import JobResult, JobState, Receipt, Recipe, Status
from engine.request import FailReason

AI_MARK = N_("AI-generated")
"""Stands in every caption that comes with a picture: people must be able to tell."""

FIRST_LOADS = N_("You are next; I begin as soon as the model is loaded.")
AT_ONCE_S = 1.0  # a shorter wait is none

STATES: dict[JobState, str] = {
    JobState.QUEUED: N_("waiting"),
    JobState.RUNNING: N_("being drawn"),
    JobState.DONE: N_("done"),
    JobState.FAILED: N_("failed"),
    JobState.CANCELLED: N_("cancelled"),
}


def status(status: Status, locale: str) -> str:
    """Where a job stands: its place in the queue, or how far the drawing is."""
    if status.position is not None:
        return turn(status, locale)
    if status.is_loading and not (status.index or status.step):
        return text(FIRST_LOADS, locale)
    if not status.steps:
        return text(N_("Drawing now…"), locale)
    facts = {"step": status.step, "steps": status.steps, "picture": status.index + 1, "count": status.count}
    if status.count > 1:
        return text(N_("Drawing picture {picture} of {count}: step {step} of {steps}"), locale, **facts)
    return text(N_("Drawing: step {step} of {steps}"), locale, **facts)


def turn(stands: Receipt | Status, locale: str) -> str:
    """When a job's turn comes: ``place`` jobs are before it."""
    place, wait = stands.position or 0, stands.wait
    if stands.is_loading:
        sentence = N_("{position} ahead of you; the model is still loading.")
        return text(sentence if place else FIRST_LOADS, locale, position=place)
    if wait is None or wait.most_s < AT_ONCE_S:
        sentence = N_("{position} ahead of you.") if place else N_("You are next.")
        return text(sentence, locale, position=place)
    sentence = N_("{position} ahead of you; yours starts in about {wait}.")
    if not place:
        sentence = N_("You are next; yours starts in about {wait}.")
    return text(sentence, locale, position=place, wait=span(wait, locale))


def goes_on_below(locale: str) -> str:
    """What is left of an answer that goes on as another message."""
    return text(N_("This takes long, so it goes on in a message of its own below."), locale)


def ends_elsewhere(locale: str) -> str:
    """Where a result arrives whose answer the platform closes before it is there."""
    sentence = N_(
        "Discord lets me change this answer for 15 minutes only, and it cannot go on here. What takes longer "
        "comes as a direct message; /mine has it, too."
    )
    return text(sentence, locale)


def on_its_way(locale: str) -> str:
    """A placeholder for a picture that comes in a moment."""
    return text(N_("Your picture is on its way…"), locale)


def perhaps_above(locale: str) -> str:
    """For pictures that were sent when the connection broke: nobody knows whether they arrived."""
    sentence = N_(
        "The connection broke while I sent your pictures. If they are not above, /mine brings them again."
    )
    return text(sentence, locale)


def comes_directly(locale: str) -> str:
    """Where pictures will arrive that may not be posted where they were asked for."""
    sentence = N_("I may not post pictures in this channel, so they come to you as a direct message.")
    return text(sentence, locale)


def went_directly(locale: str) -> str:
    """What is left of a placeholder whose pictures went to the person directly."""
    sentence = N_(
        "I may not post pictures in this channel, so they went to you as a direct message; "
        "/mine has them, too."
    )
    return text(sentence, locale)


def answered_directly(locale: str) -> str:
    """Stands before an answer that could not be written where it was asked for."""
    return text(N_("I may not write in the channel where you asked, so I answer here."), locale)


def goes_on_elsewhere(locale: str) -> str:
    """What is left of a second placeholder for the same job."""
    return text(N_("I go on with this one in another message."), locale)


def not_here(locale: str) -> str:
    """What is left of a placeholder in a chat that takes no pictures."""
    sentence = N_("I may not send pictures to this chat. Write /mine to me in private, and they come there.")
    return text(sentence, locale)


def caption_of(job_result: JobResult, locale: str) -> str:
    """The caption of an ended job: what was drawn or why not, and the credits; pictures are marked."""
    drawn = ""
    if job_result.pictures:
        seeds = ", ".join(str(picture.seed) for picture in job_result.pictures)
        drawn = joined(
            [
                settings_of(job_result.recipe, locale),
                text(N_("seed {seeds}"), locale, seeds=seeds),
                text(N_("{seconds} s"), locale, seconds=f"{job_result.seconds:.1f}"),
            ]
        )
    left = text(N_("credits left: {credits}"), locale, credits=job_result.credits_left)
    mark = text(AI_MARK, locale) if job_result.pictures else ""
    unknown = not_understood(job_result.notes, locale) if job_result.pictures else ""
    return "\n".join(
        part for part in (_completion(job_result, locale), joined([drawn, left, mark]), unknown) if part
    )


def settings_of(recipe: Recipe, locale: str) -> str:
    """LoRAs and size of a recipe on one line."""
    loras = " + ".join(shown(f"{lora.name} {lora.weight:g}", locale) for lora in recipe.loras)
    size = f"{recipe.width_px} × {recipe.height_px}"
    return joined([loras or text(N_("no LoRA"), locale), size])


def _completion(job_result: JobResult, locale: str) -> str:
    """Why a job did not end as it was asked for, and what came back; nothing for one that did."""
    sentences = []
    if job_result.state is JobState.CANCELLED:
        sentences = [text(N_("Cancelled."), locale)]
    if job_result.state is JobState.FAILED:
        sentences = [text(FAILED[job_result.fail or FailReason.WORKER_ERROR], locale)]
    if job_result.missing:
        lost = N_(
            "{missing} of {count} pictures are no longer on the host's disk; "
            "the same prompt and seed draw them again."
        )
        sentences.append(text(lost, locale, missing=job_result.missing, count=job_result.recipe.count))
    elif job_result.pictures and job_result.state is not JobState.DONE:
        facts = {"done": len(job_result.pictures), "count": job_result.recipe.count}
        sentences.append(text(N_("Drawn before that: {done} of {count}."), locale, **facts))
    if job_result.refund:
        sentences.append(text(N_("Credits given back: {refund}."), locale, refund=job_result.refund))
    return ("" if locale == "zh-CN" else " ").join(sentences)
