"""Who may see a job after its end: its person publishes or deletes it, others report it to the hosts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import structlog

from bot.commands.values import Delete, ListReports, Publish, Report
from bot.desk.asking.remembered import ChatProfiles
from bot.desk.people.access import JobAccess
from bot.errors import (
    AlreadyPublic,
    ChatNotAllowed,
    LoraWithdrawn,
    NotAllowed,
    NotEnded,
    NotForThatChat,
    NothingToPublish,
    OwnJob,
    PicturesGone,
    PressAgain,
    StillSending,
    TooManyReports,
)
from bot.outcomes import (
    Address,
    CommandContext,
    Deleted,
    JobState,
    Platform,
    Published,
    Reported,
    ReportedJob,
    ReportListing,
)
from bot.policy.live import LiveRules
from bot.policy.rules import (
    MAX_REPORTS_A_DAY,
    PRESS_AGAIN_S,
    chats_of,
    others_read,
    require_private_chat,
    serves,
)
from bot.store import Store
from bot.store.rows import JobRow

MOST_LISTED = 10
DAY_MS = 86_400_000
_CHATS_OF_A_THREAD = 3  # thread, channel, server: see ``chats_of``

log = structlog.get_logger("bot.desk")


class JobSharing:
    """Carries out ``Publish``, ``Delete``, ``Report`` and ``ListReports``.

    Args:
        may_draw: Whether a job's LoRAs may still be used.
        profiles: What may be shown in the chat where pictures are published.
        result_ready: By platform, set when the outbox has a new result.
        files_to_delete: Set when a deleted job has files.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        access: JobAccess,
        rules: LiveRules,
        may_draw: Callable[[JobRow], Awaitable[bool]],
        profiles: ChatProfiles,
        result_ready: Mapping[Platform, asyncio.Event],
        files_to_delete: asyncio.Event,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._access = access
        self._rules = rules
        self._may_draw = may_draw
        self._profiles = profiles
        self._result_ready = result_ready
        self._files_to_delete = files_to_delete
        self._clock = clock

    async def publish(self, command: Publish, context: CommandContext) -> Published:
        """Make one's own private pictures open to the chat where they were asked for, and send them there.

        They are delivered as a new result, from our own files, so a restart or an expired message of the
        platform changes nothing.

        Raises:
            PersonError: NoSuchJob, NotYours, AlreadyPublic, PicturesGone, NothingToPublish (nobody else reads
                that chat), LoraWithdrawn, ChatNotAllowed (the bot does not serve that chat any more),
                NotForThatChat, or StillSending (the end of that delivery would count for the next one).
        """
        job = await self._access.require_own(command.job_id, context)
        if not job.private:
            raise AlreadyPublic(job_id=job.id)
        if not await self._store.jobs.pictures_of([job.id]):
            raise PicturesGone(job_id=job.id)
        if not others_read(job.asked_in):
            raise NothingToPublish(job_id=job.id)
        if not await self._may_draw(job):
            raise LoraWithdrawn(job_id=job.id)
        if not serves(self._rules.now, job.asked_in):
            raise ChatNotAllowed(chat=job.asked_in[-1])
        if await self._store.outbox.is_sending(job.id):
            raise StillSending(job_id=job.id)
        platform, _, chat_id = job.asked_in[0].partition(":")
        is_here = job.asked_in[0] == chats_of(context)[0]
        address = context.address if is_here else Address(Platform(platform), chat_id, job.asked_ref)
        channel = job.asked_in[1].partition(":")[2] if len(job.asked_in) == _CHATS_OF_A_THREAD else ""
        there = replace(context, address=address, parent_chat_id=channel)
        await self._profiles.require_loaded()
        try:
            self._profiles.require(job.recipe, there)
        except NotAllowed as refusal:
            raise NotForThatChat(job_id=job.id) from refusal
        await self._store.ended.publish(job.id, address.platform, address.chat_id, address.ref)
        self._store.after_commit(self._result_ready[address.platform].set)
        self._store.after_commit(lambda: log.info("job published", job_id=job.id))
        return Published(job.id, is_here=is_here)

    async def delete(self, command: Delete, context: CommandContext) -> Deleted:
        """Delete the pictures and the text of an ended job; charges and uses of LoRAs stay on record.

        The files go after the commit, and after a crash at the next start.

        Raises:
            PersonError: NoSuchJob, NotYours (hosts may delete every job), NotEnded, StillSending (the chat
                does not know yet which messages show the pictures), or PressAgain (nothing else is in the
                way, but the person was not asked yet).
        """
        job = await self._access.require_own(command.job_id, context, or_host=True)
        if not JobState(job.state).has_ended:
            raise NotEnded(job_id=job.id)
        if await self._store.outbox.is_sending(job.id):
            raise StillSending(job_id=job.id)
        if not command.is_sure:
            raise PressAgain(job_id=job.id, seconds=PRESS_AGAIN_S)
        await self._store.ended.delete(job.id, self._clock())
        await self._store.finding.forget_job(job.id)
        self._store.after_commit(self._files_to_delete.set)
        self._store.after_commit(lambda: log.info("job deleted", job_id=job.id))
        return Deleted(job.id, is_paid=job.price > 0)

    async def report(self, command: Report, context: CommandContext) -> Reported:
        """Store that a person reports another person's job; the same report again changes nothing.

        Raises:
            PersonError: NoSuchJob, NotYours (the person cannot see the job), OwnJob, or TooManyReports.
        """
        job = await self._access.require_visible(command.job_id, context)
        person, now_ms = await self._store.people.find_or_create(context, self._clock()), self._clock()
        if job.person == person:
            raise OwnJob(job_id=job.id)
        count, is_known = await self._store.ended.count_reports(job.id, person, now_ms - DAY_MS)
        if not is_known:
            if count >= MAX_REPORTS_A_DAY:
                raise TooManyReports(limit=MAX_REPORTS_A_DAY)
            await self._store.ended.add_report(job.id, person, now_ms)
            self._store.after_commit(lambda: log.warning("job reported", job_id=job.id, person=person))
        return Reported(job.id)

    async def list_reports(self, command: ListReports, context: CommandContext) -> ReportListing:
        """Return what people reported last, without what was deleted since.

        Raises:
            NotAllowed: NotInPublic, because prompts of other chats are shown.
        """
        require_private_chat(command, context)
        rows = await self._store.ended.newest_reports(MOST_LISTED)
        return ReportListing(
            tuple(
                ReportedJob(
                    job_id=row.job,
                    prompt=row.typed,
                    drawn_by=row.drawn_by,
                    reported_by=row.reported_by,
                    at_s=row.at_ms // 1_000,
                    reports=row.reports,
                )
                for row in rows
            )
        )
