"""Deletes what the chats show of deleted jobs, on every platform, as far as a platform allows it.

A message stays stored until its platform has answered, so what a crash or a lost connection left is deleted
later: in this run after a pause, and at the next start.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from bot.desk.files import retry_while_full
from bot.outcomes import ChatOutput, MessagesLeft, PictureMessage, Platform
from bot.store import Store

log = structlog.get_logger("bot.desk")

WAIT_S = 5.0  # of the answer to a deletion, for the platforms
DELETE_TIMEOUT_S = 60.0
AGAIN_S = 60.0  # until a platform that did not answer is asked again

_Deletion = asyncio.Task[tuple[PictureMessage, ...] | None]


class MessageDeletion:
    """Asks the chats, and asks those again that did not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chats: Mapping[Platform, ChatOutput] = {}
        self._is_running = asyncio.Event()
        self._deletions: dict[tuple[Platform, str], _Deletion] = {}
        self._waiting: set[str] = set()

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Delete what an earlier run left, and what a chat did not answer, until cancelled."""
        self._chats = chats
        self._is_running.set()
        self._waiting |= set(await retry_while_full(self._store.ended.jobs_with_messages))
        try:
            while True:
                for job_id in tuple(self._waiting):
                    await self._delete_again(job_id)
                await asyncio.sleep(AGAIN_S)
        finally:
            deletions = tuple(self._deletions.values())
            for deletion in deletions:
                deletion.cancel()
            await asyncio.gather(*deletions, return_exceptions=True)

    async def _delete_again(self, job_id: str) -> None:
        try:
            await self.delete(job_id)
        except Exception:  # supervision: a failed deletion must not end the bot
            log.exception("messages not deleted", job_id=job_id)

    async def delete(self, job_id: str) -> MessagesLeft:
        """Let every chat delete its messages of a deleted job; return what people still see of it.

        It waits some seconds at most. Of a job that is not deleted, all messages stay.
        """
        job = await self._store.jobs.find(job_id)
        if job is None or job.deleted_ms is None:
            return MessagesLeft()
        shown = await self._store.messages.of_job(job_id)
        if not shown:
            return MessagesLeft()
        platforms = tuple(dict.fromkeys(each.platform for each in shown))
        try:
            async with asyncio.timeout(WAIT_S):
                await self._is_running.wait()  # a chat may be open before the desk runs
        except TimeoutError:
            return MessagesLeft((), platforms)
        left = [each for each in shown if each.platform not in self._chats]
        deletions = {
            platform: self._begin(platform, job_id, job.locale)
            for platform in platforms
            if platform in self._chats
        }
        if deletions:
            await asyncio.wait(deletions.values(), timeout=WAIT_S)
        pending = []
        for platform, deletion in deletions.items():
            kept = deletion.result() if deletion.done() and not deletion.cancelled() else None
            if kept is None:
                pending.append(platform)
            else:
                left += kept
        (self._waiting.add if pending else self._waiting.discard)(job_id)
        return MessagesLeft(tuple(left), tuple(pending))

    def _begin(self, platform: Platform, job_id: str, locale: str) -> _Deletion:
        """Return the task that deletes a job's messages; one that runs already goes on."""
        key = platform, job_id
        if key not in self._deletions:
            deletion = asyncio.create_task(
                self._delete(platform, job_id, locale), name=f"delete messages {platform} {job_id}"
            )
            deletion.add_done_callback(lambda _: self._deletions.pop(key, None))
            self._deletions[key] = deletion
        return self._deletions[key]

    async def _delete(
        self, platform: Platform, job_id: str, locale: str
    ) -> tuple[PictureMessage, ...] | None:
        """Return the messages that cannot be changed; None if the platform did not answer.

        What is sent meanwhile, because it was asked for before the deletion, goes too.
        """
        left: list[PictureMessage] = []
        try:
            while shown := await self._store.messages.of_job(job_id, platform):
                async with asyncio.timeout(DELETE_TIMEOUT_S):
                    left += await self._chats[platform].delete_messages(shown, locale)
                await retry_while_full(partial(self._store.messages.forget, shown))
        except Exception as error:  # noqa: BLE001 - supervision: whatever a platform raises, it is asked again
            log.warning("messages not deleted", job_id=job_id, platform=platform, error=type(error).__name__)
            return None
        return tuple(left)
