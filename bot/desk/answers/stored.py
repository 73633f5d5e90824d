"""Handle each stored event once: its effect and its answer are one transaction."""

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

    async def answer_once(self, context: CommandContext, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do ``work``, or repeat the answer if this event was answered before.

        ``work`` runs in a transaction: it waits for nothing outside this process, and changes memory through
        ``Store.after_commit``. Answers to events that no chat stored (the page, the console) are not kept.

        Raises:
            PersonError: The refusal, the same each time. ``CannotSave`` is never kept.
        """
        inbox, event = self._store.inbox, (context.platform, context.event_id)
        answer: Outcome | PersonError
        async with self._store.atomic():
            stored = await inbox.find(*event)
            if stored is not None and stored.answer is not None:
                log.info("event answered as before", platform=context.platform, event_id=context.event_id)
                answer = decode(stored.answer)
            else:
                try:
                    async with self._store.atomic():  # a refusal undoes its own changes and nothing else
                        answer = await work()
                except CannotSave:
                    raise
                except PersonError as refusal:
                    answer = refusal
                if stored is not None and not isinstance(answer, Receipt):
                    await inbox.save_answer(*event, encode(answer))
        if isinstance(answer, PersonError):
            raise answer
        return answer
