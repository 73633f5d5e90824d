"""The context menus of messages, and which job a message shows.

Discord sends the chosen message with the interaction, so no privileged intent is needed. The job's id is in
the buttons below the pictures and in the names of the files.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.chats.event_table import RawEvent
from bot.commands.buttons import press_of
from bot.errors import NoPictureThere, OldButton, SeveralJobsThere

_FILE = re.compile(r"(?:SPOILER_)?sugar-(?P<job>[A-Za-z0-9_-]{1,40})-(?P<number>[1-9]\d?)\.\w+", re.ASCII)

EPHEMERAL = 1 << 6  # Discord, Message Flags


class MessageMenu(StrEnum):
    """The menus, by the names that Discord sends whatever the person's language is."""

    REMIX = "Remix"
    INFO = "Picture info"
    VARY = "Use as variation"


MENU_WORDS = {MessageMenu.REMIX: "改图", MessageMenu.INFO: "图片信息", MessageMenu.VARY: "以此变化"}
"""Their zh-CN names."""


@dataclass(frozen=True, slots=True)
class ShownJob:
    """The job of a message.

    Attributes:
        indices: Its pictures that the message shows, from 0.
        is_private: Only one person sees the message.
    """

    job_id: str
    indices: tuple[int, ...]
    is_private: bool


def chosen_message(data: Mapping[str, Any]) -> RawEvent:
    """The message whose menu was opened.

    Raises:
        KeyError: It does not match Discord's documentation.
    """
    message: RawEvent = data["resolved"]["messages"][str(data["target_id"])]
    return message


def shown_job(message: RawEvent, bot_id: int) -> ShownJob:
    """The job whose pictures a message shows.

    Raises:
        NoPictureThere: The message is not the bot's, or shows no job.
        SeveralJobsThere: It is a list of several jobs.
    """
    if int((message.get("author") or {}).get("id") or 0) != bot_id:
        raise NoPictureThere
    names = [str(file.get("filename", "")) for file in message.get("attachments") or ()]
    files = [found for name in names if (found := _FILE.fullmatch(name))]
    job_ids = {found["job"] for found in files} or set(_pressed_jobs(message.get("components") or ()))
    if not job_ids:
        raise NoPictureThere
    if len(job_ids) > 1:
        raise SeveralJobsThere
    is_private = bool(int(message.get("flags") or 0) & EPHEMERAL)
    return ShownJob(job_ids.pop(), tuple(int(found["number"]) - 1 for found in files), is_private)


def _pressed_jobs(components: Any) -> Iterator[str]:
    """The jobs that the buttons of a message are about."""
    for component in components:
        yield from _pressed_jobs(component.get("components") or ())
        try:
            command = press_of(str(component.get("custom_id", "")))
        except OldButton:
            continue
        if job_id := getattr(command, "job_id", ""):
            yield str(job_id)
