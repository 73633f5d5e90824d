"""What one message shows, and its form as Discord's components.

Every message that the bot sends to a channel or edits consists of components (``IS_COMPONENTS_V2``). An edit
can give a message this flag but never take it away. One form for all messages therefore means that an edit
never has to know what the message showed before; it also turns messages of earlier versions into this form.
Only first responses and follow-ups with text alone are classic messages: nothing edits them.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot import messages
from bot.chats.discord_.outgoing.attachments import PictureAttachment
from bot.commands.buttons import ButtonCommand, data_of
from bot.commands.values import Cancel, Reroll

UPLOAD_TIMEOUT_S = 100.0  # 24 MiB at 2 Mbit/s
CALL_TIMEOUT_S = 30.0  # discord.py tries five times within 25 s if Discord has trouble
ROW_BUTTONS = 5  # Discord accepts no more buttons in a row


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What a message shows, from top to bottom: text, pictures, details, buttons.

    Attributes:
        text: Text that ``as_plain_text`` made.
        details: The same, below the pictures.
        button: The usual one of a job.
        others: Further buttons with their labels, 24 at most.
    """

    text: str
    attachments: tuple[PictureAttachment, ...] = ()
    button: Cancel | Reroll | None = None
    locale: str = "en"
    others: tuple[tuple[str, ButtonCommand], ...] = ()
    details: str = ""

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
        if text := f"{mention} {self.text}".strip():
            view.add_item(ui.TextDisplay(text))
        if self.attachments:
            view.add_item(self._gallery())
        if self.details:
            view.add_item(ui.TextDisplay(self.details))
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
        buttons = list(self.others)
        if self.button is not None:
            key = "cancel" if isinstance(self.button, Cancel) else "reroll"
            buttons.append((messages.button_label(key, self.locale), self.button))
        return [
            ui.ActionRow(*map(_button, buttons[start : start + ROW_BUTTONS]))
            for start in range(0, len(buttons), ROW_BUTTONS)
        ]


def text_view(text: str) -> ui.LayoutView:
    """A message of text alone, as components."""
    return OutgoingMessage(text).view()


def _button(labelled: tuple[str, ButtonCommand]) -> ui.Button[Any]:
    label, command = labelled
    return ui.Button(label=label, custom_id=data_of(command))


def _texts(components: Sequence[Any]) -> Iterable[str]:
    return (one.content for one in components if isinstance(one, discord.TextDisplay))
