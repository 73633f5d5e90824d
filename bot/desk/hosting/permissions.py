"""Who is a host, who may use the bot and who may not: decisions in chats, besides what the settings say."""

from collections.abc import Callable

from bot.desk.hosting.audit import HostAudit
from bot.desk.people.ledger import TierMembership
from bot.outcomes import CommandContext
from bot.policy.live import LiveRules
from bot.policy.rules import Ban, Rules
from bot.store import Store
from bot.store.hosting.permissions import PermissionKind, PermissionRow


class Permissions:
    """Stores decisions, and lets them count in ``LiveRules`` as soon as they are committed.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        rules: LiveRules,
        tiers: TierMembership,
        audit: HostAudit,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._rules = rules
        self._tiers = tiers
        self._audit = audit
        self._clock = clock

    async def load(self) -> None:
        """Read what was decided; call it at the start, before the first command asks."""
        async with self._store.atomic():
            self._apply_after_commit(await self._store.permissions.all())

    async def use_settings(self, rules: Rules) -> None:
        """Let settings that were read again count at once; what was decided in chats stays."""
        self._rules.replace_settings(rules)
        await self._tiers.load()

    async def add_host(self, context: CommandContext) -> None:
        """Make the person who gave this command a host, in the transaction of the caller."""
        name = f"{context.platform}:{context.user_id}"
        await self.save(PermissionKind.HOST, name, context)
        await self._audit.note(context, "claim", name)

    async def save(
        self,
        kind: PermissionKind,
        name: str,
        context: CommandContext,
        *,
        until_ms: int | None = None,
        reason: str = "",
    ) -> None:
        """Decide about a person, a chat or a server (``platform:id``), in the transaction of the caller."""
        decided_by = f"{context.platform}:{context.user_id}"
        row = PermissionRow(kind, name, self._clock(), decided_by, until_ms, reason)
        async with self._store.atomic():
            await self._store.permissions.save(row)
            self._apply_after_commit(await self._store.permissions.all())

    async def delete(self, kind: PermissionKind, name: str) -> bool:
        """Take a decision back, in the transaction of the caller; False if there was none."""
        async with self._store.atomic():
            is_deleted = await self._store.permissions.delete(kind, name)
            self._apply_after_commit(await self._store.permissions.all())
        return is_deleted

    def _apply_after_commit(self, rows: tuple[PermissionRow, ...]) -> None:
        def names(kind: PermissionKind) -> list[str]:
            return [row.name for row in rows if row.kind is kind]

        bans = [Ban(row.name, row.until_ms, row.reason) for row in rows if row.kind is PermissionKind.BAN]
        hosts, allow = names(PermissionKind.HOST), names(PermissionKind.ALLOW)
        self._store.after_commit(lambda: self._rules.replace_decisions(hosts=hosts, allow=allow, bans=bans))
