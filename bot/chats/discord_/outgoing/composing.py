"""Composes messages: what the outcome of a command shows, and what the result of a job shows."""

import asyncio
from functools import partial

from bot import messages
from bot.chats.discord_.outgoing.attachments import (
    MAX_ATTACHMENTS,
    REQUEST_BYTES,
    PictureAttachment,
    read_attachments,
)
from bot.chats.discord_.outgoing.layout import LABEL_CHARS, OutgoingMessage
from bot.chats.discord_.outgoing.sender import as_plain_text
from bot.commands.values import Pick
from bot.outcomes import (
    AnswerWithControls,
    ExportReady,
    History,
    JobResult,
    Originals,
    Outcome,
    PickedPicture,
    RecipeShown,
    SettingsRead,
    controls_of,
)

QUOTE_CHARS = 700  # of a prompt above its pictures; the form and the recipe have the whole
COPYABLE_CHARS = 1_900  # with the text above it below Discord's limit for all texts of a message


async def compose_outcome(outcome: Outcome, locale: str, file_bytes: int) -> OutgoingMessage:
    """The answer to a command: its text and, if it has any, pictures, files and buttons.

    A history brings each job's first picture, and the card its chart.
    """
    text = messages.format_outcome(outcome, locale, times="discord")
    match outcome:
        case History():
            return await _compose_history(outcome, text, locale, file_bytes)
        case ExportReady(parts=parts):
            files = [
                PictureAttachment(part.name, "", await asyncio.to_thread(part.read_bytes)) for part in parts
            ]
            return OutgoingMessage(as_plain_text(text), tuple(files), as_files=True)
        case Originals(job_id=job_id, pictures=pictures, spoiler=spoiler):
            read = await read_attachments(
                job_id, pictures, file_bytes, lambda _: "", is_spoiler=spoiler, is_original=True
            )
            text = _with_too_large(text, job_id, read.too_large, locale)
            return OutgoingMessage(as_plain_text(text), read.attachments, as_files=True)
        case PickedPicture(job_id=job_id, picture=picture, recipe=recipe, spoiler=spoiler):
            typed = recipe.typed_of(0)  # the recipe is of this picture alone
            read = await read_attachments(job_id, [picture], file_bytes, lambda _: typed, is_spoiler=spoiler)
            text = _with_too_large(text, job_id, read.too_large, locale)
            details, prompt = as_plain_text(text), _quoted(typed)
            controls = controls_of(outcome)
            return OutgoingMessage("", read.attachments, controls, locale, prompt=prompt, details=details)
        case RecipeShown(text=command) | SettingsRead(text=command):
            return OutgoingMessage(
                as_plain_text(text), (), controls_of(outcome), locale, copyable=_copyable(command)
            )
    png, shows = messages.picture_of(outcome, locale)
    charts = (PictureAttachment("picture.png", shows, png),) if png else ()
    controls = controls_of(outcome) if isinstance(outcome, AnswerWithControls) else ()
    return OutgoingMessage(as_plain_text(text), charts, controls, locale)


async def _compose_history(history: History, text: str, locale: str, file_bytes: int) -> OutgoingMessage:
    """A page of jobs: the first picture of each, a list to open one, and the buttons that turn pages."""
    shown = history.entries[:MAX_ATTACHMENTS]
    share_bytes = min(file_bytes, REQUEST_BYTES // max(1, len(shown)))
    attachments: list[PictureAttachment] = []
    choices = []
    for entry in shown:
        first = entry.pictures[:1]
        read = await read_attachments(
            entry.job_id,
            first,
            share_bytes,
            partial(messages.alt_text, entry.recipe, locale=locale),
            is_spoiler=entry.spoiler,
        )
        attachments += read.attachments
        label = messages.shorten(entry.recipe.typed, LABEL_CHARS) or entry.job_id
        choices += [(label, Pick(entry.job_id, picture.index)) for picture in first]
    return OutgoingMessage(
        as_plain_text(text), tuple(attachments), controls_of(history), locale, choices=tuple(choices)
    )


async def compose_result(result: JobResult, file_bytes: int) -> OutgoingMessage:
    """The result of a job: caption, pictures as large as ``file_bytes`` allows, and buttons."""
    locale = result.locale
    read = await read_attachments(
        result.job_id,
        result.pictures,
        file_bytes,
        partial(messages.alt_text, result.recipe, locale=locale),
        is_spoiler=result.spoiler,
    )
    text = messages.format_caption(result, locale, with_code=False)
    text = _with_too_large(text, result.job_id, read.too_large, locale)
    label, code = messages.copyable_code(result.recipe, locale) if result.pictures else ("", "")
    return OutgoingMessage(
        "",
        read.attachments,
        controls_of(result),
        locale,
        prompt=_quoted(result.recipe.typed),
        details=as_plain_text("\n".join(filter(None, (text, label)))),
        copyable=code,
    )


def _quoted(prompt: str) -> str:
    return as_plain_text(messages.shorten(prompt, QUOTE_CHARS))


def _copyable(command: str) -> str:
    """A command as it is typed, on one line; a backtick would end its block, so it becomes a quote."""
    return " ".join(command.replace("`", "'").split())[:COPYABLE_CHARS]


def _with_too_large(text: str, job_id: str, count: int, locale: str) -> str:
    """The text and, if pictures do not fit, how to get them."""
    return f"{text}\n{messages.pictures_too_large(job_id, count, locale)}" if count else text
