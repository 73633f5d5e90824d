"""What the fake Telegram consists of: the bot, people, groups, the bot's messages and refusals."""

from dataclasses import dataclass, field
from typing import Any

BOT = {"id": 700, "is_bot": True, "first_name": "Sugar", "username": "sugar_test_bot"}
GROUP_ANONYMOUS_BOT = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
GROUPS = -1  # the menu of all groups
GENERAL = 1  # the id of a forum's General topic, which sendMessage refuses


@dataclass(frozen=True)
class Person:
    """A person; their private chat has the same id."""

    id: int = 11
    name: str = "Member"
    language: str = "en"

    def user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": self.language}


MEMBER = Person()  # who acts unless another person is named


@dataclass(frozen=True)
class Group:
    """A group, perhaps with topics."""

    id: int = -100_200
    is_forum: bool = False

    def chat(self) -> dict[str, Any]:
        return {"id": self.id, "type": "supergroup", "title": "Group", "is_forum": self.is_forum}


@dataclass(frozen=True)
class Sent:
    """A message of the bot in its present form.

    Attributes:
        kind: ``text``, ``photo`` or ``document``.
        buttons: Labels and data of the buttons that send data.
        rows: Labels of all buttons, row by row.
        styles: Styles of the buttons that have one, by label.
        copied: What the buttons copy, by label.
        links: What the buttons open, by label.
        entities: Kinds and marked parts of the text.
        files: The uploaded bytes.
        album: The media group it came in; empty outside albums.
    """

    chat_id: int
    message_id: int
    kind: str
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    reply_to: int | None = None
    thread_id: int | None = None
    file: bytes = field(default=b"", repr=False)
    file_name: str = ""
    album: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    styles: tuple[tuple[str, str], ...] = ()
    copied: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    entities: tuple[tuple[str, str], ...] = ()
    has_spoiler: bool = False


@dataclass(eq=False)
class Refusal(Exception):
    """An error answer."""

    code: int
    description: str
    parameters: dict[str, int] = field(default_factory=dict)
