"""Carry out each stored event once: its effect and its answer are one transaction."""

from collections.abc import Awaitable, Callable

import structlog

from bot.desk.answers.encoding import decode, encode
from bot.errors import CannotSave, PersonError
from bot.outcomes import CommandContext, Outcome, Receipt
from bot.store import Store

log = structlog.get_logger("bot.desk")


class StoredAnswers:
    """The answers in the inbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def once(self, context: CommandContext, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do ``work``, or answer as before where this very event was answered already.

        ``work`` runs inside a transaction: it waits for nothing outside this process, and changes memory
        through ``Store.after_commit``. Events that no chat stored (the page, the console) are not remembered.

        Raises:
            PersonError: The refusal, the same each time; ``CannotSave`` alone is tried again.
        """
        inbox, event = self._store.inbox, (context.platform, context.event_id)
        answer: Outcome | PersonError
        async with self._store.atomic():
            stored = await inbox.find(*event)
            if stored is not None and stored.answer is not None:
                log.info("event answered as before", platform=context.platform, event_id=context.event_id)
                answer = decode(stored.answer)
            else:
                answer = await self._try(work)
                if stored is not None and not isinstance(answer, Receipt):
                    await inbox.save_answer(*event, encode(answer))
        if isinstance(answer, PersonError):
            raise answer
        return answer

    async def _try(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome | PersonError:
        """What comes of ``work``; a refusal undoes its own changes and nothing else."""
        try:
            async with self._store.atomic():
                return await work()
        except CannotSave:
            raise
        except PersonError as refusal:
            return refusal
