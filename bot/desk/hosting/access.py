"""Which chats, servers and people the bot serves, decided in chats; what the settings allow stays allowed."""

from bot.commands.reading import HERE_WORDS, subject_of
from bot.commands.text import normalize
from bot.commands.values import AllowAccess, DisallowAccess
from bot.desk.hosting.audit import HostAudit
from bot.desk.hosting.permissions import Permissions
from bot.errors import AllowedInSettings, NotOnList
from bot.outcomes import AccessChanged, AccessListing, CommandContext
from bot.policy.live import LiveRules
from bot.policy.rules import chats_of, require_private_chat
from bot.store import Store
from bot.store.hosting.permissions import PermissionKind


class Access:
    """Carries out ``AllowAccess`` and ``DisallowAccess``, in the transaction of the event."""

    def __init__(self, *, store: Store, rules: LiveRules, permissions: Permissions, audit: HostAudit) -> None:
        self._store = store
        self._rules = rules
        self._permissions = permissions
        self._audit = audit

    async def allow(self, command: AllowAccess, context: CommandContext) -> AccessChanged | AccessListing:
        """Serve a chat, a server or a person; without one, list what is served.

        Raises:
            PersonError: BadSubject; NotInPublic for the list.
        """
        if not command.subject:
            require_private_chat(command, context)
            in_settings = self._rules.settings.allow
            in_chats = self._rules.now.allow - in_settings
            return AccessListing(tuple(sorted(in_settings)), tuple(sorted(in_chats)))
        subject = _subject_of(command.subject, context)
        async with self._store.atomic():
            await self._permissions.save(PermissionKind.ALLOW, subject, context)
            await self._audit.note(context, "allow", subject)
        return AccessChanged(subject, is_allowed=True)

    async def disallow(self, command: DisallowAccess, context: CommandContext) -> AccessChanged:
        """Serve it no longer; jobs that were accepted are still drawn.

        Raises:
            PersonError: BadSubject, AllowedInSettings, NotOnList.
        """
        subject = _subject_of(command.subject, context)
        async with self._store.atomic():
            is_deleted = await self._permissions.delete(PermissionKind.ALLOW, subject)
            if subject in self._rules.settings.allow:
                raise AllowedInSettings(subject=subject)
            if not is_deleted:
                raise NotOnList(subject=subject)
            await self._audit.note(context, "disallow", subject)
        return AccessChanged(subject, is_allowed=False)


def _subject_of(typed: str, context: CommandContext) -> str:
    """Return ``platform:id``; ``here`` is the server, else the chat, else the person in a private chat.

    Raises:
        BadSubject: Neither a mention, nor an id, nor ``platform:id``.
    """
    if normalize(typed) not in HERE_WORDS:
        return subject_of(typed, context.platform)
    if context.is_group or context.space_id:
        return chats_of(context)[-1]
    return f"{context.platform}:{context.user_id}"
