"""The messages about one job: notes on its request, status, caption, and where its answer has gone."""

import math
from collections import Counter
from collections.abc import Sequence

from bot.languages import is_chinese
from bot.messages.asking.answers import format_asking_note
from bot.messages.catalogue import (
    N_,
    PLATFORM_NAMES,
    format_countdown,
    format_duration,
    format_fact,
    join_facts,
    shorten,
    text,
)
from bot.messages.failures import FAIL_SENTENCES
from bot.messages.finding.recipes import format_code
from bot.messages.hosting.service import format_paused
from bot.messages.iterating.lineage import format_lineage
from bot.messages.loras.stacks import format_stack_note
from bot.messages.sheets.words import format_adopt, format_nothing_smaller, format_sheet
from bot.outcomes import (
    Advice,
    DefaultSkipped,
    DrawingPaused,
    DryRun,
    FromDefaults,
    JobResult,
    JobState,
    MessagesLeft,
    Note,
    NothingSmaller,
    Receipt,
    Recipe,
    SizeChanged,
    SizeLimited,
    Status,
    UnknownWords,
)
from engine.demo.vocabulary import UnknownFeature
from engine.request import FailReason

AI_MARK = N_("AI-generated")
"""Part of every caption of a picture: people must know it."""

NEXT_WHILE_LOADING = N_("You are next; I'll start as soon as the model is loaded.")
MAX_CHOICES_CHARS = 300  # of a caption, which Telegram limits to 1,024
LEAST_WAIT_S = 1.0  # a shorter wait is not mentioned
BAR_CELLS = 10
DRAWN_CELL, MISSING_CELL = "▰", "▱"  # of different shape: the bar needs no colour

STATES: dict[JobState, str] = {
    JobState.QUEUED: N_("waiting"),
    JobState.RUNNING: N_("being drawn"),
    JobState.DONE: N_("done"),
    JobState.FAILED: N_("failed"),
    JobState.CANCELLED: N_("cancelled"),
}


def format_status(status: Status, locale: str, *, now_s: float | None = None) -> str:
    """Return a job's position in the queue, or the progress of its drawing; ``now_s`` as in the position."""
    if status.position is not None:
        return format_position(status, locale, now_s)
    if status.is_loading and not (status.index or status.step):
        return _loading(0, status.loading_s, locale)
    if not status.steps:
        return text(N_("Drawing now…"), locale)
    facts = {"step": status.step, "steps": status.steps, "picture": status.index + 1, "count": status.count}
    if status.count > 1:
        return text(N_("Drawing picture {picture} of {count}: step {step} of {steps}"), locale, **facts)
    return text(N_("Drawing: step {step} of {steps}"), locale, **facts)


def format_bar(status: Status) -> str:
    """Return the drawn share of a job as a bar for the line of its status; empty before the first step."""
    if status.position is not None or not status.steps:
        return ""
    done, steps = status.index * status.steps + status.step, status.count * status.steps
    cells = min(BAR_CELLS, BAR_CELLS * done // steps)
    return DRAWN_CELL * cells + MISSING_CELL * (BAR_CELLS - cells)


def format_possible_start(dry: DryRun, locale: str) -> str:
    """Return when a job would start that nobody has asked for yet."""
    if dry.is_loading and dry.loading_s is not None:
        sentence = N_("A real job would start once the model is loaded, in about {seconds} s.")
        start = text(sentence, locale, seconds=math.ceil(dry.loading_s))
    elif dry.is_loading:
        start = text(N_("A real job would start as soon as the model is loaded."), locale)
    elif dry.wait is None or dry.wait.most_s < LEAST_WAIT_S:
        start = "" if dry.position else text(N_("A real job would be next."), locale)
    else:
        wait = format_duration(dry.wait, locale)
        start = text(N_("A real job would start in about {wait}."), locale, wait=wait)
    ahead = text(N_("{position} ahead of you."), locale, position=dry.position) if dry.position else ""
    return ("" if is_chinese(locale) else " ").join(filter(None, (start, ahead)))


def format_position(job: Receipt | Status, locale: str, now_s: float | None = None) -> str:
    """Return how many jobs are ahead of a job, and when it starts.

    Args:
        job: The receipt or status.
        locale: One of ``LOCALES``.
        now_s: The present Unix time on a platform that counts down to a point in time.
    """
    ahead, wait = job.position or 0, job.wait
    if job.is_loading:
        return _loading(ahead, job.loading_s, locale)
    if wait is None or wait.most_s < LEAST_WAIT_S:
        sentence = N_("{position} ahead of you.") if ahead else N_("You are next.")
        return text(sentence, locale, position=ahead)
    if now_s is not None:
        sentence = N_("{position} ahead of you; expected start: {start}.")
        if not ahead:
            sentence = N_("You are next; expected start: {start}.")
        return text(sentence, locale, position=ahead, start=format_countdown(wait, now_s))
    sentence = N_("{position} ahead of you; yours starts in about {wait}.")
    if not ahead:
        sentence = N_("You are next; yours starts in about {wait}.")
    return text(sentence, locale, position=ahead, wait=format_duration(wait, locale))


def _loading(ahead: int, loading_s: float | None, locale: str) -> str:
    if loading_s is None:
        sentence = N_("{position} ahead of you; the model is still loading.")
        return text(sentence if ahead else NEXT_WHILE_LOADING, locale, position=ahead)
    sentence = N_("{position} ahead of you; the model is being loaded, which takes about {seconds} s.")
    if not ahead:
        sentence = N_("You are next; the model is being loaded, which takes about {seconds} s.")
    return text(sentence, locale, position=ahead, seconds=math.ceil(loading_s))


def continued_below(locale: str) -> str:
    """Return the text of an answer that continues in another message."""
    return text(N_("This takes a while, so it continues in a new message below."), locale)


def answer_expires(locale: str) -> str:
    """Return where a result arrives if the platform closes its answer before."""
    sentence = N_(
        "Discord lets me update this answer for only 15 minutes, so it can't continue here. A later "
        "result comes as a direct message; /mine shows it too."
    )
    return text(sentence, locale)


def pictures_coming(locale: str) -> str:
    """Return the placeholder of a picture that comes in a moment."""
    return text(N_("Your picture is on its way…"), locale)


def delivery_uncertain(locale: str) -> str:
    """Return the text about pictures that may not have arrived, because the connection broke."""
    sentence = N_(
        "The connection broke while I was sending your pictures. If they are not above, /mine sends them "
        "again."
    )
    return text(sentence, locale)


def direct_message_follows(locale: str) -> str:
    """Return where pictures will arrive that may not be posted in the channel."""
    sentence = N_(
        "I'm not allowed to post pictures in this channel, so I'll send them to you as a direct message."
    )
    return text(sentence, locale)


def sent_as_direct_message(locale: str) -> str:
    """Return the text of a placeholder whose pictures went to the person as a direct message."""
    sentence = N_(
        "I'm not allowed to post pictures in this channel, so I sent them to you as a direct message; "
        "/mine shows them too."
    )
    return text(sentence, locale)


def answered_in_direct_message(locale: str) -> str:
    """Return the first line of an answer that could not be written in its channel."""
    return text(N_("I'm not allowed to write in the channel where you asked, so I'm answering here."), locale)


def ai_mark(locale: str) -> str:
    """Return the caption of a picture that its person posts in another chat."""
    return text(AI_MARK, locale)


def nothing_to_post(locale: str, *, is_search: bool) -> str:
    """Return the label of the button that opens the bot's chat when no own picture can be posted."""
    sentence = N_("Draw your first picture")
    if is_search:
        sentence = N_("No picture of yours fits; open our chat")
    return text(sentence, locale)


def picture_deleted(locale: str) -> str:
    """Return what an old message shows instead of a deleted picture."""
    return text(N_("Deleted."), locale)


def messages_left(left: MessagesLeft, locale: str) -> str:
    """Return what the chats still show of a deleted job, a line for each platform; empty for nothing."""
    counts = Counter(message.platform for message in left.messages)
    changeless = N_(
        "{count} messages of this job on {platform} can't be changed any more; please delete them yourself."
    )
    pending = N_("{platform} doesn't answer; I'll delete the messages of this job there as soon as it does.")
    return "\n".join(
        [
            *(
                text(changeless, locale, count=count, platform=PLATFORM_NAMES[platform])
                for platform, count in sorted(counts.items())
            ),
            *(text(pending, locale, platform=PLATFORM_NAMES[platform]) for platform in left.pending),
        ]
    )


def answered_in_private_chat(locale: str) -> str:
    """Return what a group reads about a private request."""
    return text(N_("I'm answering in our private chat."), locale)


def continued_elsewhere(locale: str) -> str:
    """Return the text of a second placeholder for the same job."""
    return text(N_("This job continues in another message."), locale)


def pictures_not_allowed(locale: str) -> str:
    """Return the text of a placeholder in a chat that accepts no pictures."""
    sentence = N_(
        "I'm not allowed to send pictures to this chat. Send me /mine in private to get them there."
    )
    return text(sentence, locale)


def pictures_too_large(job_id: str, count: int, locale: str) -> str:
    """Return how to get pictures that are too large for the chat, even compressed."""
    sentence = N_(
        "Too large for this chat, even compressed: {count} of the pictures. I keep them: send /mine where "
        "larger files are allowed, for example on Telegram after /link, or ask the host for job {job_id}."
    )
    return text(sentence, locale, count=count, job_id=job_id)


def format_caption(job_result: JobResult, locale: str, *, with_code: bool = True) -> str:
    """Return the caption of an ended job: what was drawn or why not, the credits, and the AI mark.

    A chat quotes the prompt beside it, in the way of its platform. One that offers the recipe code to copy
    asks for a caption without it.
    """
    if job_result.is_deleted:
        sentence = N_("Job {job_id} is deleted; nothing more comes of it.")
        return text(sentence, locale, job_id=job_result.job_id)
    drawn = _drawn_facts(job_result, locale, with_code=with_code) if job_result.pictures else ""
    credits_left = text(N_("credits left: {credits}"), locale, credits=job_result.credits_left)
    left = credits_left if job_result.price else ""  # the owner of the machine needs none
    mark = text(AI_MARK, locale) if job_result.pictures else ""
    notes = _notes_on_pictures(job_result.notes, locale) if job_result.pictures and job_result.notes else ""
    choices = format_choices(job_result.recipe, [each.index for each in job_result.pictures], locale)
    adopt = format_adopt(job_result.job_id, job_result.recipe, locale) if job_result.cells else ""
    facts = join_facts([drawn, left, mark])
    parts = (_unusual_end(job_result, locale), facts, adopt, choices, notes)
    return "\n".join(part for part in parts if part) or credits_left  # no chat takes an empty message


def _drawn_facts(job_result: JobResult, locale: str, *, with_code: bool) -> str:
    seeds = ", ".join(str(picture.seed) for picture in job_result.pictures)
    return join_facts(
        [
            format_lineage(job_result.lineage, locale),
            settings_of(job_result.recipe, locale),
            "" if job_result.recipe.sheet else text(N_("seed {seeds}"), locale, seeds=seeds),
            format_code(job_result.recipe, locale) if with_code else "",
            text(N_("{seconds} s"), locale, seconds=f"{job_result.seconds:.1f}"),
        ]
    )


def format_choices(recipe: Recipe, indexes: Sequence[int], locale: str) -> str:
    """Return which alternatives these pictures were drawn with, on one line; empty without alternatives."""
    drawn = []
    for index in indexes:
        if choices := [choice or "–" for choice in recipe.choices_of(index)]:
            number = f"{index + 1}: " if recipe.count > 1 else ""
            drawn.append(number + format_fact(choices, locale))
    if not drawn:
        return ""
    return text(N_("Drawn: {drawn}"), locale, drawn=shorten(join_facts(drawn), MAX_CHOICES_CHARS))


def settings_of(recipe: Recipe, locale: str) -> str:
    """Return LoRAs, their trigger words and the size of a recipe on one line; of a sheet what differs."""
    if recipe.sheet:
        return join_facts([format_sheet(recipe, locale), format_triggers(recipe, locale)])
    loras = " + ".join(format_fact(f"{lora.name} {lora.weight:g}", locale) for lora in recipe.loras)
    size = f"{recipe.width_px} × {recipe.height_px}"
    return join_facts([loras or text(N_("no LoRA"), locale), format_triggers(recipe, locale), size])


def format_triggers(recipe: Recipe, locale: str) -> str:
    """Return the trigger words that the person did not type; empty without any."""
    return text(N_("trigger words: {words}"), locale, words=recipe.triggers) if recipe.triggers else ""


def _unusual_end(job_result: JobResult, locale: str) -> str:
    """Return why a job did not end normally, and its refund; empty for a normal end."""
    sentences = []
    if job_result.state is JobState.CANCELLED:
        sentences = [text(N_("Cancelled."), locale)]
    if job_result.state is JobState.FAILED:
        sentences = [text(FAIL_SENTENCES[job_result.fail or FailReason.WORKER_ERROR], locale)]
    if job_result.missing:
        lost = N_(
            "{missing} of {count} pictures are no longer on the host's disk. Draw them again with the "
            "same prompt and seed."
        )
        sentences.append(text(lost, locale, missing=job_result.missing, count=job_result.recipe.count))
    elif job_result.pictures and job_result.state is not JobState.DONE:
        done = len(job_result.cells or job_result.pictures)
        facts = {"done": done, "count": job_result.recipe.count}
        sentences.append(text(N_("Drawn before that: {done} of {count}."), locale, **facts))
    if job_result.refund:
        sentences.append(text(N_("Credits refunded: {refund}."), locale, refund=job_result.refund))
    return ("" if is_chinese(locale) else " ").join(sentences)


def format_note(note: Note, locale: str) -> str:
    """Return one note, in a sentence or two."""
    match note:
        case FromDefaults() | DefaultSkipped() | Advice() | SizeLimited():
            return format_asking_note(note, locale)
        case SizeChanged():
            sentence = N_(
                "This model can't draw exactly {asked}; the nearest size is {width_px} × {height_px}."
            )
            facts = {"asked": note.requested, "width_px": note.width_px, "height_px": note.height_px}
            return text(sentence, locale, **facts)
        case DrawingPaused():
            return format_paused(note, locale)
        case NothingSmaller():
            return format_nothing_smaller(note, locale)
        case UnknownFeature():
            sentence = N_("The built-in model can't draw “{feature}”, only: {known}.")
            return text(sentence, locale, feature=note.text, known=note.known)
        case UnknownWords(is_all=True):
            sentence = N_(
                "The built-in model draws faces and knows none of these words: {words}. So it draws a "
                "random face; /help lists what it knows."
            )
            return text(sentence, locale, words=note.words)
        case UnknownWords():
            sentence = N_("The built-in model doesn't know: {words}. /help lists what it knows.")
            return text(sentence, locale, words=note.words)
        case _:
            return format_stack_note(note, locale)


def _notes_on_pictures(notes: Sequence[Note], locale: str) -> str:
    """Return what the model did not draw as asked: another size, and the words that it does not know."""
    lines = [format_note(each, locale) for each in notes if isinstance(each, SizeChanged)]
    words = [each.text for each in notes if isinstance(each, UnknownFeature)]
    words += [word for each in notes if isinstance(each, UnknownWords) for word in each.words]
    if words:
        lines.append(text(N_("Not known to the built-in model: {words}."), locale, words=tuple(words)))
    return "\n".join(lines)
