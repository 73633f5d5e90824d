"""The outbox: the results of ended jobs until they are delivered."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import ClaimedRow, OutboxState, ResultDetails


class Outbox:
    """Queries on outbox."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "outbox.sql")

    async def add(self, job_id: str) -> None:
        """Add the result of an ended job; call it in the transaction that ends the job."""
        await self._query("add_result", job=job_id)

    async def claim(
        self, platform: str, now_ms: int, *, waited_for_ms: int, most_in_chat: int
    ) -> ClaimedRow | None:
        """Claim the platform's oldest result that is due and free; it counts as sending until marked.

        A result is not free while an earlier one of the same person in the same chat is being sent or is due
        before ``waited_for_ms``, nor while ``most_in_chat`` results are being sent in its chat.
        """
        limits = {"waited_for_ms": waited_for_ms, "most_in_chat": most_in_chat}
        rows = await self._query("claim_result", platform=platform, now_ms=now_ms, **limits)
        return ClaimedRow(**dict(rows[0])) if rows else None

    async def next_due_ms(self, platform: str, now_ms: int) -> int | None:
        """Return when the platform's next result becomes due, of those that are not due yet."""
        [(due_ms,)] = await self._query("next_due", platform=platform, now_ms=now_ms)
        return None if due_ms is None else int(due_ms)

    async def mark(self, job_id: str, state: OutboxState, not_before_ms: int = 0) -> None:
        """Store how a delivery ended."""
        await self._query("mark_result", job=job_id, state=state, not_before_ms=not_before_ms)

    async def recover(self) -> None:
        """After a stop, mark what was being sent as possibly delivered."""
        await self._query("recover_sending")

    async def limit_waits(self, latest_ms: int) -> None:
        """Make every result due at ``latest_ms`` at the latest; the clock may have been set back."""
        await self._query("limit_waits", latest_ms=latest_ms)

    async def make_due(self, platform: str, chat_id: str) -> None:
        """Retry the waiting results of a chat at once."""
        await self._query("make_due", platform=platform, chat_id=chat_id)

    async def retry_kept(self, person: int) -> tuple[str, ...]:
        """Make the person's kept results due again, and return the ids of their jobs."""
        return tuple(row["job"] for row in await self._query("retry_kept", person=person))

    async def retry_kept_of_chat(self, person: int, platform: str, chat_id: str) -> tuple[str, ...]:
        """As ``retry_kept``, but only for this chat's jobs that are not private."""
        rows = await self._query("retry_kept_of_chat", person=person, platform=platform, chat_id=chat_id)
        return tuple(row["job"] for row in rows)

    async def details(self, job_id: str) -> ResultDetails:
        """Return who receives a job's result, and the credits after it."""
        [row] = await self._query("result_details", job=job_id)
        return ResultDetails(**dict(row))

    async def undelivered_pictures(self) -> tuple[str, ...]:
        """Return the file names of the pictures that are not delivered yet."""
        return tuple(row["file_name"] for row in await self._query("undelivered_pictures"))
