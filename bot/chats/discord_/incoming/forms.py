"""Forms (Discord calls them modals): what the bot asks in one, and how a sent form becomes a command.

A form must be the first response to its interaction, within three seconds, so nothing is stored before it is
shown. Its custom id contains all that a sent form needs: a form that a person opened before a restart works
after it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import discord
from discord import ui

from bot import messages
from bot.commands import grammar
from bot.commands.buttons import MAX_DATA_BYTES
from bot.commands.render import size_text
from bot.commands.values import MAX_COUNT, Command, Draw, LoraAdd, LoraWish, SentFile, Vary
from bot.errors import OldButton
from bot.outcomes import EditableText

Form = ui.Modal
MAX_TYPED_CHARS = 4_000  # Discord's limit for one field
MAX_LINE_CHARS = 400
SUBTLE, STRONG = "subtle", "strong"


class FormKind(StrEnum):
    """What a form is for."""

    EDIT = "edit"
    VARY = "vary"
    ADD = "add"


_FORM = re.compile(
    r"v2:form:(?P<kind>edit|vary|add):(?P<job>[A-Za-z0-9_-]{0,40}):(?P<seen_by>all|me)"
    r"(?::(?P<index>\d{1,2}))?(?P<hidden>:hidden)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SentForm:
    """A form as a person sent it.

    Attributes:
        is_private: Only the person may see the answer.
        typed: The longest text, for a refusal: Discord keeps nothing of a form that was sent.
    """

    command: Command
    is_private: bool
    typed: str = ""


def edit_form(editable: EditableText, locale: str) -> Form:
    """The form with the text of a job, to be changed and drawn again."""
    draw = grammar.parse(editable.text)
    if not isinstance(draw, Draw):
        raise ValueError("the text of a job asks for no drawing")
    is_hidden = bool(draw.spoiler)  # it has no field, and the new pictures are hidden like the earlier ones
    form = _form(
        FormKind.EDIT, "edit", locale, editable.job_id, is_private=editable.is_private, is_hidden=is_hidden
    )
    style = discord.TextStyle.paragraph
    _add_text(form, "prompt", draw.prompt, locale, is_required=True, style=style, max_chars=MAX_TYPED_CHARS)
    _add_text(form, "lora", ", ".join(map(_wish_text, draw.loras)), locale)
    _add_text(form, "size", size_text(draw.size) if draw.size else "", locale)
    _add_text(form, "seed", "" if draw.seed is None else str(draw.seed), locale)
    counts = [
        discord.SelectOption(label=str(count), value=str(count), default=count == draw.count)
        for count in range(1, MAX_COUNT + 1)
    ]
    _add_select(form, "count", counts, locale)
    return form


def variation_form(job_id: str, indices: Sequence[int], locale: str, *, is_private: bool) -> Form:
    """The form that asks which of these pictures to vary, and how much; ``indices`` count from 0."""
    only = indices[0] if len(indices) == 1 else None
    form = _form(FormKind.VARY, "vary", locale, job_id, is_private=is_private, index=only)
    if len(indices) > 1:
        numbers = [discord.SelectOption(label=str(index + 1), value=str(index)) for index in indices]
        _add_select(form, "picture", numbers, locale)
    strengths = [
        discord.SelectOption(label=messages.form_text(key, locale), value=key, default=key == SUBTLE)
        for key in (SUBTLE, STRONG)
    ]
    _add_select(form, "strength", strengths, locale)
    return form


def add_form(locale: str) -> Form:
    """The form that asks a host for a LoRA file or its address."""
    form = _form(FormKind.ADD, "add", locale, "", is_private=True)
    upload: ui.FileUpload[Any] = ui.FileUpload(custom_id="file", required=False, max_values=1)
    form.add_item(_labelled("file", upload, locale))
    _add_text(form, "link", "", locale)
    return form


def parse_form(data: Mapping[str, Any]) -> SentForm:
    """The command of a sent form.

    Raises:
        OldButton: The form is from another version, or not ours.
        NotUnderstood: A field has the wrong form.
    """
    custom_id = str(data.get("custom_id", ""))
    found = _FORM.fullmatch(custom_id)
    if found is None:
        raise OldButton(text=custom_id[:MAX_DATA_BYTES], nearest=())
    fields = dict(_fields(data.get("components") or ()))
    is_private = found["seen_by"] == "me"
    match FormKind(found["kind"]):
        case FormKind.EDIT:
            draw = replace(_edited(fields, found["job"], is_private), spoiler=bool(found["hidden"]) or None)
            return SentForm(draw, is_private, typed_in(data))
        case FormKind.VARY:
            index = found["index"] or _chosen(fields, "picture", "")
            if not re.fullmatch(r"\d{1,2}", index, re.ASCII):
                raise OldButton(text=custom_id[:MAX_DATA_BYTES], nearest=())
            is_strong = _chosen(fields, "strength", SUBTLE) == STRONG
            return SentForm(Vary(found["job"], int(index), is_strong), is_private)
        case FormKind.ADD:
            return SentForm(_added(fields, data.get("resolved") or {}), is_private)


def typed_in(data: Mapping[str, Any]) -> str:
    """What the person typed into the first field of a sent form; empty if it has no such field."""
    texts = (str(field.get("value") or "") for _, field in _fields(data.get("components") or ()))
    return next(texts, "")


def _form(
    kind: FormKind,
    title: str,
    locale: str,
    job_id: str,
    *,
    is_private: bool,
    index: int | None = None,
    is_hidden: bool = False,
) -> Form:
    custom_id = f"v2:form:{kind}:{job_id}:{'me' if is_private else 'all'}"
    if index is not None:
        custom_id += f":{index}"
    if is_hidden:
        custom_id += ":hidden"
    form = ui.Modal(title=messages.form_text(f"{title}_title", locale), custom_id=custom_id)
    form.stop()  # so discord.py keeps no reference to it; ``parse_form`` reads what comes back
    return form


def _labelled(name: str, field: ui.Item[Any], locale: str) -> ui.Label[Any]:
    about = messages.form_text(f"{name}_about", locale)
    return ui.Label(text=messages.form_text(name, locale), description=about or None, component=field)


def _add_text(
    form: Form,
    name: str,
    value: str,
    locale: str,
    *,
    is_required: bool = False,
    style: discord.TextStyle = discord.TextStyle.short,
    max_chars: int = MAX_LINE_CHARS,
) -> None:
    field: ui.TextInput[Any] = ui.TextInput(
        custom_id=name, default=value[:max_chars], required=is_required, style=style, max_length=max_chars
    )
    form.add_item(_labelled(name, field, locale))


def _add_select(form: Form, name: str, options: list[discord.SelectOption], locale: str) -> None:
    form.add_item(_labelled(name, ui.Select(custom_id=name, options=options), locale))


def _wish_text(wish: LoraWish) -> str:
    return wish.name if wish.weight is None else f"{wish.name}:{wish.weight:g}"


def _fields(components: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """The fields of a sent form by their names; Discord puts each into a label or a row."""
    inside = [one.get("component") or one for one in components]
    return [(str(one["custom_id"]), one) for one in inside if "custom_id" in one]


def _typed(fields: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return str(fields.get(name, {}).get("value") or "").strip()


def _chosen(fields: Mapping[str, Mapping[str, Any]], name: str, default: str) -> str:
    """The chosen value of a list; the default if the form has no such list."""
    return str(next(iter(fields.get(name, {}).get("values") or ()), default))


def _edited(fields: Mapping[str, Mapping[str, Any]], job_id: str, is_private: bool) -> Draw:
    draw = grammar.draw_of(
        _typed(fields, "prompt"),
        lora=_typed(fields, "lora"),
        size=_typed(fields, "size"),
        seed=_typed(fields, "seed"),
        count=_chosen(fields, "count", ""),
    )
    return replace(draw, private=bool(draw.private) or is_private, edited_from=job_id)


def _added(fields: Mapping[str, Mapping[str, Any]], resolved: Mapping[str, Any]) -> Command:
    attachment = (resolved.get("attachments") or {}).get(_chosen(fields, "file", ""))
    file = attachment and SentFile(
        str(attachment["filename"]), int(attachment.get("size", 0)), url=str(attachment.get("url", ""))
    )
    return grammar.with_file(LoraAdd(_typed(fields, "link")), file)
