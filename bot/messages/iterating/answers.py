"""The answers to what continues from a job."""

from bot.messages.catalogue import N_, Times, format_time, join_facts, shorten, text
from bot.messages.jobs import AI_MARK, messages_left, settings_of
from bot.outcomes import (
    Deleted,
    EditableText,
    PickedPicture,
    Published,
    Reported,
    ReportedJob,
    ReportListing,
)

PROMPT_CHARS = 60

ContinuedOutcome = PickedPicture | EditableText | Published | Deleted | Reported | ReportListing


def format_continued(outcome: ContinuedOutcome, locale: str, times: Times) -> str:
    """Return the answer to what continues from a job."""
    match outcome:
        case PickedPicture():
            return _picked(outcome, locale)
        case EditableText(text=editable):
            return "\n".join([edit_invitation(locale), editable])
        case Published(job_id=job_id):
            sentence = N_("Job {job_id} is public now; its pictures come to the chat where you asked for it.")
            return text(sentence, locale, job_id=job_id)
        case Deleted(job_id=job_id, left=left):
            sentence = N_("The pictures and the text of job {job_id} are deleted. Its credits stay spent.")
            if not outcome.is_paid:
                sentence = N_("The pictures and the text of job {job_id} are deleted.")
            lines = text(sentence, locale, job_id=job_id), messages_left(left, locale)
            return "\n".join(filter(None, lines))
        case Reported(job_id=job_id):
            return text(N_("Thank you. A host will look at job {job_id}."), locale, job_id=job_id)
        case ReportListing(jobs=()):
            return text(N_("Nobody reported anything."), locale)
        case ReportListing(jobs=jobs):
            title = text(N_("Reported, newest first; /delete and the job deletes its pictures:"), locale)
            return "\n".join([title, *(_reported(job, locale, times) for job in jobs)])


def edit_invitation(locale: str) -> str:
    """Return what a person may do with the text of a job."""
    return text(N_("Change this and send it:"), locale)


def edit_by_reply_invitation(locale: str) -> str:
    """Return what a person may do with the text of a job in a chat where a reply can change it."""
    sentence = N_("Change this and send it, or reply to this message with only what should change:")
    return text(sentence, locale)


def _picked(picked: PickedPicture, locale: str) -> str:
    facts = {"number": picked.picture.index + 1, "job_id": picked.job_id}
    return join_facts(
        [
            text(N_("Picture {number} of job {job_id}"), locale, **facts),
            settings_of(picked.recipe, locale),
            text(N_("seed {seeds}"), locale, seeds=picked.picture.seed),
            text(AI_MARK, locale),
        ]
    )


def _reported(job: ReportedJob, locale: str, times: Times) -> str:
    return join_facts(
        [
            job.job_id,
            format_time(job.at_s, times),
            text(N_("drawn by {person}"), locale, person=job.drawn_by),
            text(N_("reported by {person}"), locale, person=job.reported_by),
            text(N_("{count} reports"), locale, count=job.reports) if job.reports > 1 else "",
            shorten(job.prompt, PROMPT_CHARS),
        ]
    )
