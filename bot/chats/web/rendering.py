"""Renders conversations as HTML. Jinja escapes every text, so a person's text never becomes markup.

A conversation comes in, a string goes out; HTTP and sessions are elsewhere. The markup has no inline style
and no inline script, so that the page's content policy can forbid both.
"""

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from bot.chats.web.conversation import (
    BotMessage,
    Conversation,
    JobMessage,
    NumberedEntry,
    UserMessage,
    WorkMessage,
)
from bot.chats.web.panel import CardPanel
from bot.chats.web.request_bodies import SHAPES
from bot.commands import buttons
from bot.commands.finding.codes import format_recipe_code
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, Delete
from bot.errors import SugarbotError
from bot.languages import is_chinese, title_of
from bot.messages import (
    LOCALES,
    alt_text,
    button_label,
    edit_invitation,
    format_caption,
    format_error,
    format_history_entry,
    format_outcome,
    format_status,
    history_heading,
    picture_of,
    working_on_it,
)
from bot.messages.details import translate_detail
from bot.messages.guide import command_list
from bot.messages.hosting.service import format_service
from bot.messages.page import EXAMPLES, LANGUAGES, page_text
from bot.outcomes import (
    AnswerWithControls,
    EditableText,
    ExportReady,
    History,
    HistoryEntry,
    LoraSummary,
    Originals,
    Outcome,
    PickedPicture,
    Recipe,
    ReportListing,
    controls_of,
)
from bot.pictures.sheet import size_of_sheet
from engine.formatting import in_gib

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture on the page, or a frame for a picture that does not exist yet, without ``url``.

    Attributes:
        is_spoiler: It is blurred until a person opens it.
    """

    url: str
    width_px: int
    height_px: int
    alt: str
    is_next: bool = False
    is_spoiler: bool = False


@dataclass(frozen=True, slots=True)
class ControlView:
    """A button: what its press sends, its label, style and row, and what it copies instead of sending.

    With ``confirms``, the first press shows this label for some seconds, and a second one sends.
    """

    press: str
    label: str
    style: str
    row: int
    copied: str = ""
    confirms: str = ""


@dataclass(frozen=True, slots=True)
class PastJobView:
    """One job in an answer to ``/mine``."""

    text: str
    controls: tuple[ControlView, ...]
    pictures: tuple[PictureView, ...]


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message bubble.

    Attributes:
        by: ``person``, ``bot`` or ``refusal``; it selects the bubble's style.
        percent: Progress of the whole job; None without a progress bar.
        editable: A text for the text box, to be changed and sent.
        edits: The job whose text it is.
    """

    by: str
    text: str
    job_id: str = ""
    state: str = ""
    percent: int | None = None
    pictures: tuple[PictureView, ...] = ()
    jobs: tuple[PastJobView, ...] = ()
    controls: tuple[ControlView, ...] = ()
    editable: str = ""
    edits: str = ""
    files: tuple[tuple[str, str], ...] = ()


def render_page(conversation: Conversation, card: str, loras: tuple[LoraSummary, ...]) -> str:
    """Render the whole page; ``card`` is the result of ``render_panel``."""
    locale = conversation.locale
    return _render(
        "page.html",
        locale,
        conversation=render_conversation(conversation),
        card=card,
        loras=[(lora.name, lora_title(lora, locale), lora.weight) for lora in loras],
        languages=[(code, LANGUAGES[code]) for code in LOCALES],
        shapes=("", *SHAPES),
        max_weight=MAX_WEIGHT,
        max_count=MAX_COUNT,
        commands=command_list(locale),
    )


def render_redirect(locale: str, path: str = "/") -> str:
    """Render a page that opens the real one with a session cookie, for links of other sites."""
    return _render("redirect.html", locale, path=path)


def render_conversation(conversation: Conversation) -> str:
    """Render the whole conversation in its language."""
    if not conversation.items:
        examples = EXAMPLES["zh-CN" if is_chinese(conversation.locale) else "en"]
        return _render("welcome.html", conversation.locale, examples=examples)
    return "".join(render_message(item, conversation) for item in conversation.items)


def render_message(item: NumberedEntry, conversation: Conversation) -> str:
    """Render one message in the conversation's language."""
    message = _message(item, conversation)
    return _render("message.html", conversation.locale, number=item.number, message=message)


def render_panel(card: CardPanel, default_lora: str, locale: str) -> str:
    """Render the panel with the card, its queue and the title of the chat's default LoRA (empty: none)."""
    return _render(
        "panel.html",
        locale,
        card=card,
        name=translate_detail(card.name, locale),
        default_lora=default_lora,
        gib=in_gib,
        paused=format_service(card.service, locale),
    )


def lora_title(lora: LoraSummary, locale: str) -> str:
    """The LoRA's title in this language, else its name."""
    return title_of(lora.titles, locale) or lora.name


def _render(template: str, locale: str, **facts: Any) -> str:
    translate = partial(page_text, locale=locale)
    return _TEMPLATES.get_template(template).render(locale=locale, t=translate, **facts)


def _message(item: NumberedEntry, conversation: Conversation) -> MessageView:
    match entry := item.entry:
        case UserMessage(text):
            return MessageView("person", text)
        case JobMessage():
            return _ended_job(entry, conversation) if entry.result else _running_job(entry, conversation)
        case BotMessage(outcome):
            return _answer(outcome, item.number, conversation)
        case WorkMessage(progress=progress):
            return MessageView("bot", working_on_it(conversation.locale, progress))


def _answer(outcome: Outcome | SugarbotError, number: int, conversation: Conversation) -> MessageView:
    if isinstance(outcome, SugarbotError):
        return MessageView("refusal", format_error(outcome, conversation.locale))
    if isinstance(outcome, History) and outcome.entries:
        return MessageView(
            "bot",
            history_heading(outcome, conversation.locale),
            jobs=tuple(_past_job(job, conversation) for job in outcome.entries),
            controls=_controls(outcome, conversation),
        )
    if isinstance(outcome, PickedPicture):
        return _picked(outcome, conversation)
    if isinstance(outcome, EditableText):
        invitation = edit_invitation(conversation.locale)
        return MessageView("bot", invitation, editable=outcome.text, edits=outcome.job_id)
    if isinstance(outcome, Originals):
        return _originals(outcome, conversation)
    if isinstance(outcome, ReportListing):
        text = format_outcome(outcome, conversation.locale)
        return MessageView("bot", text, controls=_controls(outcome, conversation))
    pictures: tuple[PictureView, ...] = ()
    png, shows = picture_of(outcome, conversation.locale)
    if png:
        with Image.open(io.BytesIO(png)) as picture:
            pictures = (PictureView(f"/charts/{number}.png", *picture.size, shows),)
    if isinstance(outcome, ExportReady):
        files = tuple((f"/exports/{part.name}", part.name) for part in outcome.parts)
        return MessageView("bot", format_outcome(outcome, conversation.locale), files=files)
    controls = _controls(outcome, conversation) if isinstance(outcome, AnswerWithControls) else ()
    return MessageView(
        "bot", format_outcome(outcome, conversation.locale), pictures=pictures, controls=controls
    )


def _picked(picked: PickedPicture, conversation: Conversation) -> MessageView:
    return MessageView(
        "bot",
        format_outcome(picked, conversation.locale),
        pictures=_picture_views(
            picked.job_id,
            [picked.picture.index],
            picked.recipe,
            conversation.locale,
            is_spoiler=picked.spoiler,
        ),
        controls=_controls(picked, conversation, picked.recipe.code),
    )


def _originals(originals: Originals, conversation: Conversation) -> MessageView:
    """The files of a job: on a page, every picture is a link to its file."""
    sizes = {job_id: (recipe.width_px, recipe.height_px) for job_id, recipe in conversation.recipes()}
    size = sizes.get(originals.job_id, (1, 1))
    pictures = tuple(
        PictureView(_url(originals.job_id, picture.index), *size, "", is_spoiler=originals.spoiler)
        for picture in originals.pictures
    )
    return MessageView("bot", format_outcome(originals, conversation.locale), pictures=pictures)


def _running_job(job_message: JobMessage, conversation: Conversation) -> MessageView:
    """A job before its end, from the newest status or else the receipt."""
    now, receipt = job_message.status, job_message.receipt
    if now:
        text, count = format_status(now, conversation.locale), now.count
    else:
        assert receipt is not None  # noqa: S101 - a job has a receipt, a status or a result
        text, count = format_outcome(receipt, conversation.locale), receipt.recipe.count
    is_drawing = now is not None and now.position is None
    return MessageView(
        "bot",
        text,
        job_id=job_message.job_id,
        state="running" if is_drawing else "queued",
        percent=_percent(job_message),
        pictures=_pictures_so_far(job_message, count, is_drawing=is_drawing),
        controls=_controls(now or receipt, conversation),
    )


def _pictures_so_far(job_message: JobMessage, count: int, *, is_drawing: bool) -> tuple[PictureView, ...]:
    """All pictures of a job: the complete ones, and frames for the others."""
    now, receipt = job_message.status, job_message.receipt
    drawn = {picture.index: picture for picture in now.pictures} if now else {}
    source = next(iter(drawn.values()), receipt.recipe if receipt else None)
    size = (source.width_px, source.height_px) if source else (1, 1)
    alt = receipt.recipe.typed if receipt else ""
    return tuple(
        PictureView(_url(job_message.job_id, index), *size, alt, is_spoiler=now.spoiler)
        if now and index in drawn
        else PictureView("", *size, "", is_next=is_drawing and now is not None and index == now.index)
        for index in range(count)
    )


def _percent(job_message: JobMessage) -> int:
    now = job_message.status
    if now is None or not now.steps:
        return 0
    return round(100 * (now.index * now.steps + now.step) / (now.count * now.steps))


def _ended_job(job_message: JobMessage, conversation: Conversation) -> MessageView:
    result = job_message.result
    assert result is not None  # noqa: S101 - called for ended jobs only
    return MessageView(
        "bot" if result.pictures else "refusal",
        format_caption(result, conversation.locale),
        job_id=result.job_id,
        state=result.state,
        pictures=_picture_views(
            result.job_id,
            [picture.index for picture in result.pictures],
            result.recipe,
            conversation.locale,
            is_spoiler=result.spoiler,
        ),
        controls=_controls(result, conversation, result.recipe.code if result.pictures else ""),
    )


def _past_job(job: HistoryEntry, conversation: Conversation) -> PastJobView:
    return PastJobView(
        format_history_entry(job, conversation.locale),
        _controls(job, conversation, job.recipe.code),
        _picture_views(
            job.job_id,
            [picture.index for picture in job.pictures],
            job.recipe,
            conversation.locale,
            is_spoiler=job.spoiler,
        ),
    )


def _picture_views(
    job_id: str, indexes: list[int], recipe: Recipe, locale: str, *, is_spoiler: bool
) -> tuple[PictureView, ...]:
    size = size_of_sheet(recipe) if recipe.sheet else (recipe.width_px, recipe.height_px)
    shown = recipe if recipe.sheet or recipe.count > 1 else None
    return tuple(
        PictureView(
            _url(job_id, index),
            *size,
            recipe.typed if shown is None else alt_text(shown, index, locale),
            is_spoiler=is_spoiler,
        )
        for index in indexes
    )


def _controls(
    answer: AnswerWithControls | None, conversation: Conversation, code: str = ""
) -> tuple[ControlView, ...]:
    """The buttons of an answer; one more copies a recipe code, if there is one."""
    locale = conversation.locale
    views = [
        ControlView(
            buttons.data_of(each.command),
            button_label(each.label, locale, number=each.number, name=each.name),
            each.style.value,
            each.row,
            confirms=page_text("confirm_delete", locale) if isinstance(each.command, Delete) else "",
        )
        for each in (controls_of(answer) if answer else ())
    ]
    if code:
        label, row = button_label("copy_recipe", locale), views[-1].row if views else 0
        views.append(ControlView("", label, "normal", row, format_recipe_code(code)))
    return tuple(views)


def _url(job_id: str, index: int) -> str:
    return f"/pictures/{job_id}/{index}.png"
