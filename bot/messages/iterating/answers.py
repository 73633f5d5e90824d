"""The messages for what continues from a job."""

from bot.messages.catalogue import N_, join_facts, text
from bot.messages.jobs import AI_MARK, settings_of
from bot.outcomes import EditableText, PickedPicture


def format_continued(outcome: PickedPicture | EditableText, locale: str) -> str:
    """Return the message for what continues from a job."""
    match outcome:
        case PickedPicture(job_id=job_id, picture=picture, recipe=recipe):
            sentence = N_("Picture {number} of job {job_id}")
            facts = [
                text(sentence, locale, number=picture.index + 1, job_id=job_id),
                settings_of(recipe, locale),
                text(N_("seed {seeds}"), locale, seeds=picture.seed),
                text(AI_MARK, locale),
            ]
            return join_facts(facts)
        case EditableText(text=editable):
            return "\n".join([edit_invitation(locale), editable])


def edit_invitation(locale: str) -> str:
    """Return what a person may do with the text of a job."""
    return text(N_("Change this and send it:"), locale)


def edit_by_reply_invitation(locale: str) -> str:
    """Return what a person may do with the text of a job in a chat where a reply can change it."""
    sentence = N_("Change this and send it, or reply to this message with only what should change:")
    return text(sentence, locale)
