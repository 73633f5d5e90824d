"""Shows the code with which the first host claims the bot."""

import time
from random import SystemRandom

from bot.app import DATABASE
from bot.desk.people.claim_file import issue_claim, read_claim
from bot.messages.hosting.claim import code_was_shown, how_to_claim
from bot.settings import Settings
from bot.store.files.reading import stored_names
from bot.store.hosting.permissions import PermissionKind


def has_chat(settings: Settings) -> bool:
    """Whether a chat is served in which a code can be sent."""
    return any(chat.token.get_secret_value() for chat in (settings.discord, settings.telegram))


def has_host(settings: Settings) -> bool:
    """Whether the settings or a claim name a host; blocking."""
    return bool(settings.hosts or stored_names(settings.data_dir / DATABASE, PermissionKind.HOST))


def claim_instruction(settings: Settings, *, is_new: bool, locale: str = "") -> str:
    """Return what the first host does, with a code unless an earlier one is valid; blocking.

    Args:
        settings: Name the data folder.
        is_new: Make a code in any case; an earlier one is void then.
        locale: Of the sentence; empty for that of the settings.

    Raises:
        OSError: The data folder is not writable.
    """
    locale = locale or settings.language
    now_ms = time.time_ns() // 1_000_000
    if not is_new and read_claim(settings.data_dir, now_ms) is not None:
        return code_was_shown(locale)
    return how_to_claim(issue_claim(settings.data_dir, now_ms, SystemRandom()), locale)
