"""Where an answer goes, who gave a command, and which page of a list an answer shows."""

from dataclasses import dataclass, field
from enum import StrEnum


class Platform(StrEnum):
    """The supported platforms; the database stores the values."""

    CONSOLE = "console"
    WEB = "web"
    DISCORD = "discord"
    TELEGRAM = "telegram"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes. Only the adapter that wrote ``ref`` reads it.

    Attributes:
        chat_id: The Discord channel or Telegram chat, as the platform writes it.
        ref: The adapter's own JSON: message id, thread, interaction token with its expiry, …
    """

    platform: Platform
    chat_id: str
    ref: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Who gave a command, where, and in which message.

    Attributes:
        event_id: The platform's id of this message or press; the same id twice makes one job.
        user_id: The platform's id of the person.
        user_name: The name to display; it does not identify the person.
        locale: One of ``bot.languages.LOCALES``.
        parent_chat_id: The channel of a Discord thread; empty elsewhere. What a host has not decided for the
            chat holds as decided for its parent.
        space_id: The Discord guild, for allow-lists; empty elsewhere.
        space_locale: The language of that guild, like ``locale``; empty if the platform names none.
        is_group: Several people read the answer.
        groups: Roles of the person in this server, as ``discord:server:role``, and groups of tiers that they
            are in, as ``telegram:id``; None if the platform has not said.
        private_address: The person's private chat, if the bot can write there; it receives private pictures
            that the person requests in a group.
        is_operator: The person has logged in on the local page with its password.
    """

    platform: Platform
    event_id: str
    user_id: str
    address: Address
    locale: str = "en"
    user_name: str = ""
    parent_chat_id: str = ""
    space_id: str = ""
    space_locale: str = ""
    is_group: bool = False
    groups: tuple[str, ...] | None = None
    private_address: Address | None = None
    is_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedListing:
    """One page of a list.

    Attributes:
        page: Its number, from 1.
        total: How many entries all pages have.
    """

    page: int = 1
    pages: int = 1
    total: int = 0
