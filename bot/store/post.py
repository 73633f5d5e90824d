"""What leaves and what comes in: the outbox of ended jobs, and the inbox of raw events."""

from collections.abc import Sequence
from functools import partial

from bot.store.database import Database
from bot.store.rows import ClaimedRow, InboxRow, OutboxRow, OutboxState


class Post:
    """Queries on outbox and inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ask = partial(database.rows, "post.sql")

    async def post(self, job_id: str) -> None:
        """Put an ended job into the outbox; belongs inside ``atomic`` with its end."""
        await self._ask("post", job=job_id)

    async def claim(
        self, platform: str, now_ms: int, *, waited_for_ms: int, most_in_chat: int
    ) -> ClaimedRow | None:
        """Take the platform's oldest result that is due and free; it counts as sending until marked.

        It is not free behind an earlier one of the same person in the same chat that is being sent or due
        until ``waited_for_ms``, nor while its chat has ``most_in_chat`` being sent.
        """
        limits = {"waited_for_ms": waited_for_ms, "most_in_chat": most_in_chat}
        rows = await self._ask("claim_result", platform=platform, now_ms=now_ms, **limits)
        return ClaimedRow(**dict(rows[0])) if rows else None

    async def next_due_ms(self, platform: str, now_ms: int) -> int | None:
        """When the next result of this platform that is not due yet will be; None for none."""
        [(due_ms,)] = await self._ask("next_due", platform=platform, now_ms=now_ms)
        return None if due_ms is None else int(due_ms)

    async def mark(self, job_id: str, state: OutboxState, not_before_ms: int = 0) -> None:
        """Store how a delivery ended."""
        await self._ask("mark_result", job=job_id, state=state, not_before_ms=not_before_ms)

    async def recover(self) -> None:
        """After a stop: what was being sent may have arrived."""
        await self._ask("recover_sending")

    async def bring_forward(self, latest_ms: int) -> None:
        """Let no result wait longer than until ``latest_ms``; the clock may have been set back."""
        await self._ask("bring_forward", latest_ms=latest_ms)

    async def make_due(self, platform: str, chat_id: str) -> None:
        """Try the waiting results of a chat again at once."""
        await self._ask("make_due", platform=platform, chat_id=chat_id)

    async def take_kept(self, person: int) -> tuple[str, ...]:
        """Make the person's kept results due again; the ids of their jobs."""
        return tuple(row[0] for row in await self._ask("take_kept", person=person))

    async def take_kept_of_chat(self, person: int, platform: str, chat_id: str) -> tuple[str, ...]:
        """As ``take_kept``, but only what was drawn openly in this chat."""
        rows = await self._ask("take_kept_of_chat", person=person, platform=platform, chat_id=chat_id)
        return tuple(row[0] for row in rows)

    async def result(self, job_id: str) -> OutboxRow:
        """To whom this job's result goes, and how its money ended."""
        [row] = await self._ask("result", job=job_id)
        return OutboxRow(**dict(row))

    async def take_in(self, platform: str, events: Sequence[tuple[str, str]], now_ms: int) -> None:
        """Store raw events, all or none; known ids are skipped."""
        async with self._database.atomic():
            for event_id, payload in events:
                await self._ask(
                    "take_in", platform=platform, event_id=event_id, payload=payload, now_ms=now_ms
                )

    async def taken_in(self, platform: str) -> tuple[tuple[str, str], ...]:
        """The events that were not settled yet, oldest first."""
        return tuple((row[0], row[1]) for row in await self._ask("taken_in", platform=platform))

    async def find_event(self, platform: str, event_id: str) -> InboxRow | None:
        """A stored event that was not settled yet."""
        rows = await self._ask("event", platform=platform, event_id=event_id)
        return InboxRow(**dict(rows[0])) if rows else None

    async def keep_answer(self, platform: str, event_id: str, answer: str) -> None:
        """Store what is to be sent for an event; belongs inside ``atomic`` with what was done for it."""
        await self._ask("keep_answer", platform=platform, event_id=event_id, answer=answer)

    async def settle(self, platform: str, event_id: str) -> None:
        """The event was answered; neither its payload nor its answer is kept."""
        await self._ask("settle", platform=platform, event_id=event_id)

    async def forget_repeats(self, before_ms: int) -> None:
        """Delete what only recognises repetitions, from before this moment.

        That is the ids of settled events, the origins of ended jobs, and outbox rows of delivered jobs. An
        origin stays while its event waits in the inbox: handled again after a crash, it must find its job.
        """
        async with self._database.atomic():
            await self._ask("forget_settled", before_ms=before_ms)
            await self._ask("forget_origins", before_ms=before_ms)
            await self._ask("forget_sent", before_ms=before_ms)

    async def pictures_waiting(self) -> tuple[str, ...]:
        """File names of the pictures that are still to be delivered."""
        return tuple(row[0] for row in await self._ask("pictures_waiting"))
