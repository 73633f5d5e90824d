"""The claim of a bot by its first host, who proves with a code that the machine is theirs.

The bot is closed until somebody is allowed, so this works where nothing else does. A code that others read is
void, and so is one that was used: the record of hosts' actions shows that even if a crash left its file.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from bot.commands.values import ClaimBot
from bot.desk.hosting.permissions import Permissions
from bot.desk.people.attempts import AttemptLimits, CodeAttempts
from bot.desk.people.claim_file import IssuedClaim, read_claim, void_claim
from bot.errors import BadClaimCode, ClaimCodeVoid, ClaimedElsewhere, NotInPublic
from bot.outcomes import CommandContext, HostClaimed
from bot.policy.live import LiveRules
from bot.policy.rules import LOCAL_PLATFORMS, is_host, require_private_chat
from bot.store import Store

LIMITS = AttemptLimits(window_ms=3_600_000, by_account=5, of_code=5, in_all=50)

log = structlog.get_logger("bot.desk")


class HostClaim:
    """Makes the person who sends the code a host.

    Args:
        data_dir: The data folder, which has the hash of the code.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        permissions: Permissions,
        rules: LiveRules,
        data_dir: Path,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._permissions = permissions
        self._rules = rules
        self._data_dir = data_dir
        self._clock = clock
        self._attempts = CodeAttempts(clock, LIMITS, BadClaimCode)

    async def claim(self, command: ClaimBot, context: CommandContext) -> HostClaimed:
        """Make this person a host, in the transaction of the event.

        Raises:
            NotAllowed: ClaimCodeVoid: others read the code, so that it is void now.
            NotPossible: BadClaimCode, TooManyCodes; ClaimedElsewhere: a local chat knows its host already.
        """
        if context.platform in LOCAL_PLATFORMS:
            raise ClaimedElsewhere
        if is_host(context, self._rules.now):
            return HostClaimed(was_host=True)
        if not command.code:
            raise BadClaimCode
        with self._attempts.count_attempt(f"{context.platform}:{context.user_id}", command.code):
            await self._require_valid(command.code)
        try:
            require_private_chat(command, context)
        except NotInPublic:
            await asyncio.to_thread(void_claim, self._data_dir)
            log.warning("claim code void", reason="others read it", platform=context.platform)
            raise ClaimCodeVoid from None
        await self._permissions.add_host(context)
        self._store.after_commit(lambda: void_claim(self._data_dir))
        return HostClaimed(was_host=False)

    async def _require_valid(self, code: str) -> IssuedClaim:
        issued = await asyncio.to_thread(read_claim, self._data_dir, self._clock())
        if issued is None or not issued.is_of(code):
            raise BadClaimCode
        if await self._store.permissions.has_claimed_since(issued.issued_ms):
            raise BadClaimCode
        return issued
