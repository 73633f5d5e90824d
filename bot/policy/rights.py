"""May this person do this, here?

The platforms are told the same rights when their menus are declared, but a menu is no lock: the desk asks
here again for every command, whether it was typed, chosen or pressed.
"""

from collections.abc import Iterable
from typing import Protocol

from bot.commands.table import Right, entry_of
from bot.commands.values import Command
from bot.errors import ChatNotAllowed, HostsOnly, NotInPublic
from bot.policy.rules import Rules

LOCAL_PLATFORMS = frozenset({"console", "web"})  # both are reached from the host's own machine alone
CONSOLE_HOST = "host"  # the user id of ``sugarbot say --host``


class Place(Protocol):
    """Where somebody asks: the part of ``Address`` that rights depend on."""

    @property
    def chat_id(self) -> str:
        """The channel or chat, as the platform writes it."""


class Asker(Protocol):
    """Who asks: the part of ``CommandContext`` that rights depend on."""

    @property
    def platform(self) -> str:
        """``discord``, ``telegram``, ``web`` or ``console``."""

    @property
    def user_id(self) -> str:
        """The platform's id of the person."""

    @property
    def space_id(self) -> str:
        """The Discord guild; empty elsewhere."""

    @property
    def address(self) -> Place:
        """The chat."""


def is_host(context: Asker, rules: Rules) -> bool:
    """Whether this person is a host: named in the settings, or sitting at the host's own machine."""
    if context.platform == "web":
        return True  # the page answers on loopback only
    if context.platform == "console":
        return context.user_id == CONSOLE_HOST
    return f"{context.platform}:{context.user_id}" in rules.hosts


def require_chat(context: Asker, rules: Rules, earlier_ids: Iterable[str] = ()) -> None:
    """Return when the bot serves this chat; a host is served everywhere.

    Args:
        context: Who asks, and where.
        rules: What the host allowed.
        earlier_ids: Ids that the chat had before its platform gave it another.

    Raises:
        ChatNotAllowed: Closed to this chat; ``chat`` is the entry the host would add to ``allow``.
    """
    if context.platform in LOCAL_PLATFORMS or is_host(context, rules):
        return
    places = [place for place in (context.space_id, context.address.chat_id) if place]
    if rules.allow.isdisjoint({f"{context.platform}:{place}" for place in [*places, *earlier_ids, "*"]}):
        raise ChatNotAllowed(chat=f"{context.platform}:{places[0] if places else ''}")


def require_right(command: Command, context: Asker, rules: Rules) -> None:
    """Return when this person may give this command.

    Raises:
        HostsOnly: The command is for hosts, and this person is none.
    """
    entry = entry_of(command)
    if entry.right is Right.HOST and not is_host(context, rules):
        raise HostsOnly(command=entry.name)


def require_alone(command: Command, context: Asker) -> None:
    """Return when nobody else reads the answer: Discord shows it to the person alone, Telegram to the chat.

    Raises:
        NotInPublic: In a group.
    """
    if context.platform == "telegram" and context.address.chat_id != context.user_id:
        raise NotInPublic(command=entry_of(command).name)
