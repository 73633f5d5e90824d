"""What one message shows, and its form as Discord's components.

Every message that the bot sends to a channel or edits consists of components (``IS_COMPONENTS_V2``). An edit
can give a message this flag but never take it away. One form for all messages therefore means that an edit
never has to know what the message showed before; it also turns messages of earlier versions into this form.
Only first responses and follow-ups with text alone are classic messages: nothing edits them.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import discord
from discord import ui

from bot import messages
from bot.chats.discord_.outgoing.attachments import PictureAttachment
from bot.commands.buttons import ButtonCommand, data_of
from bot.outcomes import Control, ControlStyle

UPLOAD_TIMEOUT_S = 100.0  # 24 MiB at 2 Mbit/s
PROGRESS_MARK = "⏳ "  # no answer begins with it
CALL_TIMEOUT_S = 30.0  # discord.py tries five times within 25 s if Discord has trouble
ROW_BUTTONS = 5  # Discord accepts no more buttons in a row
MAX_CHOICES = 25  # Discord accepts no more entries in a list
LABEL_CHARS = 100  # Discord's limit for an entry of a list
LIST_PREFIX = "v2:list:"  # the choice, not the list, says what to do
STYLES = {
    ControlStyle.NORMAL: discord.ButtonStyle.secondary,
    ControlStyle.PRIMARY: discord.ButtonStyle.primary,
    ControlStyle.DANGER: discord.ButtonStyle.danger,
}


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What a message shows, from top to bottom: text, prompt, pictures, details, buttons.

    Attributes:
        text: Text that ``as_plain_text`` made.
        prompt: The same, on one line; it is shown as a quote.
        controls: Its buttons; those that differ by their picture alone become a list.
        locale: Of the labels.
        as_files: Show the pictures as files to download.
        others: Further buttons with their labels.
        details: Text like ``text``, below the pictures.
        copyable: Text below the details that Discord offers to copy; not escaped, without backticks.
        choices: A list: labels and what each choice does.
    """

    text: str
    attachments: tuple[PictureAttachment, ...] = ()
    controls: tuple[Control, ...] = ()
    locale: str = "en"
    others: tuple[tuple[str, ButtonCommand], ...] = ()
    prompt: str = ""
    details: str = ""
    copyable: str = ""
    choices: tuple[tuple[str, ButtonCommand], ...] = ()
    as_files: bool = False

    def files(self) -> list[discord.File]:
        """New file objects for one attempt: discord.py closes the files that it has sent."""
        return [
            discord.File(fp=io.BytesIO(one.data), filename=one.name, description=one.alt_text or None)
            for one in self.attachments
        ]

    def view(self, mention: str = "") -> ui.LayoutView:
        """The components, for one attempt; ``mention`` goes before the text.

        The view is stopped at once, so discord.py keeps no reference to it. A press is answered by the
        custom id of the button, also after a restart.
        """
        view = ui.LayoutView(timeout=None)
        quote = f"> {self.prompt}" if self.prompt else ""
        if head := "\n".join(filter(None, (f"{mention} {self.text}".strip(), quote))):
            view.add_item(ui.TextDisplay(head))
        if self.as_files:
            for one in self.attachments:
                view.add_item(ui.File(f"attachment://{one.name}", spoiler=one.is_spoiler))
        elif self.attachments:
            view.add_item(self._gallery())
        block = f"```\n{self.copyable}\n```" if self.copyable else ""
        if below := "\n".join(filter(None, (self.details, block))):
            view.add_item(ui.TextDisplay(below))
        for row in self._rows():
            view.add_item(row)
        view.stop()
        return view

    def is_shown_by(self, sent: discord.Message, mention: str = "") -> bool:
        """Whether a sent message shows the text and the pictures of this one."""
        shown = list(_texts(sent.components))
        wanted = [item.content for item in self.view(mention).children if isinstance(item, ui.TextDisplay)]
        return shown == wanted and len(sent.attachments) == len(self.attachments)

    @property
    def timeout_s(self) -> float:
        """The time limit for sending it."""
        return UPLOAD_TIMEOUT_S if self.attachments else CALL_TIMEOUT_S

    def _gallery(self) -> ui.MediaGallery[Any]:
        gallery: ui.MediaGallery[Any] = ui.MediaGallery()
        for one in self.attachments:
            gallery.add_item(
                media=f"attachment://{one.name}", description=one.alt_text or None, spoiler=one.is_spoiler
            )
        return gallery

    def _rows(self) -> list[ui.ActionRow[Any]]:
        rows = []
        for _, found in groupby(self.controls, _place):
            controls = list(found)
            if _is_in_list(controls[0]) and len(controls) > 1:
                rows.append(ui.ActionRow(self._list(controls[:MAX_CHOICES])))
            else:
                rows.append(ui.ActionRow(*map(self._button, controls)))
        others: list[ui.Button[Any]] = [
            ui.Button(label=label, custom_id=data_of(command)) for label, command in self.others
        ]
        starts = range(0, len(others), ROW_BUTTONS)
        if self.choices:
            rows.append(ui.ActionRow(self._choices()))
        return [*rows, *(ui.ActionRow(*others[start : start + ROW_BUTTONS]) for start in starts)]

    def _button(self, control: Control) -> ui.Button[Any]:
        label = messages.button_label(control.label, self.locale, number=control.number, name=control.name)
        return ui.Button(label=label, custom_id=data_of(control.command), style=STYLES[control.style])

    def _choices(self) -> ui.Select[Any]:
        choices = [
            discord.SelectOption(label=label[:LABEL_CHARS], value=data_of(command))
            for label, command in self.choices[:MAX_CHOICES]
        ]
        placeholder = messages.list_label("pick", self.locale)
        return ui.Select(custom_id=f"{LIST_PREFIX}choices", placeholder=placeholder, options=choices)

    def _list(self, controls: Sequence[Control]) -> ui.Select[Any]:
        """A list of the pictures of a batch; each choice gives its command, as a button would."""
        choices = [
            discord.SelectOption(
                label=messages.button_label(one.label, self.locale, number=one.number, name=one.name),
                value=data_of(one.command),
            )
            for one in controls
        ]
        placeholder = messages.list_label(controls[0].label, self.locale)
        custom_id = f"{LIST_PREFIX}{data_of(controls[0].command)}"
        return ui.Select(custom_id=custom_id, placeholder=placeholder, options=choices)


def _place(control: Control) -> tuple[str, int]:
    """The key of controls shown together: those of a row, or all that differ by their picture alone."""
    return (control.label, 0) if _is_in_list(control) else ("", control.row)


def _is_in_list(control: Control) -> bool:
    """Whether a list may hold the control; nobody chooses by mistake what cannot be undone."""
    return control.number is not None and control.style is not ControlStyle.DANGER


def text_view(text: str) -> ui.LayoutView:
    """A message of text alone, as components."""
    return OutgoingMessage(text).view()


def progress_view(text: str) -> ui.LayoutView:
    """A message that says how far a command is; ``shows_progress`` distinguishes it from an answer."""
    return text_view(f"{PROGRESS_MARK}{text}")


def shows_progress(sent: discord.Message) -> bool:
    """Whether a message says how far a command is, so that its answer is still to come."""
    return any(text.startswith(PROGRESS_MARK) for text in _texts(sent.components))


def _texts(components: Sequence[Any]) -> Iterable[str]:
    return (one.content for one in components if isinstance(one, discord.TextDisplay))
