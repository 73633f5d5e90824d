"""May this person do this, here?

The adapters declare their menus with the same rights, but a menu does not enforce them. The desk checks every
command here, whether a person typed, chose or pressed it.
"""

from collections.abc import Iterable

from bot.commands.table import Right, entry_of
from bot.commands.values import Command
from bot.errors import ChatNotAllowed, HostsOnly, NotInPublic
from bot.outcomes import CommandContext
from bot.policy.rules import Rules

LOCAL_PLATFORMS = frozenset({"console", "web"})  # both are reached from the host's own machine alone
CONSOLE_HOST = "host"  # the user id of ``sugarbot say --host``


def is_host(context: CommandContext, rules: Rules) -> bool:
    """Whether this person is a host: named in the settings, or at the host's own machine."""
    if context.platform == "web":
        return True  # the page answers on loopback only
    if context.platform == "console":
        return context.user_id == CONSOLE_HOST
    return f"{context.platform}:{context.user_id}" in rules.hosts


def require_chat(context: CommandContext, rules: Rules, earlier_ids: Iterable[str] = ()) -> None:
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
    ids = [one for one in (context.space_id, context.address.chat_id) if one]
    if rules.allow.isdisjoint({f"{context.platform}:{one}" for one in [*ids, *earlier_ids, "*"]}):
        raise ChatNotAllowed(chat=f"{context.platform}:{ids[0] if ids else ''}")


def require_right(command: Command, context: CommandContext, rules: Rules) -> None:
    """Return when this person may give this command.

    Raises:
        HostsOnly: The command is for hosts, and this person is not a host.
    """
    entry = entry_of(command)
    if entry.right is Right.HOST and not is_host(context, rules):
        raise HostsOnly(command=entry.name)


def require_alone(command: Command, context: CommandContext) -> None:
    """Return when nobody else reads the answer: Discord shows it to the person alone, Telegram to the chat.

    Raises:
        NotInPublic: In a group.
    """
    if context.platform == "telegram" and context.address.chat_id != context.user_id:
        raise NotInPublic(command=entry_of(command).name)
