"""The desk: every use case behind one class, and the loops that draw, deliver and publish.

It answers chats from the store and never waits for a picture. It handles a stored event once: its effect and
its answer are one transaction, and a crash before ``Desk.finish_event`` leaves the answer in the inbox, where
the next start finds it. ``run`` resumes what a crash interrupted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from bot.commands.values import (
    Command,
    Compare,
    Draft,
    Draw,
    DrawRecipe,
    Help,
    LoraOffer,
)
from bot.desk.answers import decode, encode
from bot.desk.dispatch import DRAWS, FROM_JOBS, MANAGEMENT, READ_ONLY, TRIALS, DeskParts, actions
from bot.desk.files import retry_while_full
from bot.desk.iterating.continuation import NOT_NEEDED, DiskState
from bot.desk.loras.shelf import Rule
from bot.desk.shelf.adding import Prepared
from bot.desk.shelf.management import ManagementCommand
from bot.errors import CannotSave, ChatNotAllowed, LoraFileSent, PersonError, PressAgain
from bot.outcomes import (
    Address,
    ChatOutput,
    CommandContext,
    LoraAdding,
    LoraSummary,
    MessagesLeft,
    Outcome,
    OwnPicture,
    PictureFile,
    PictureMessage,
    Platform,
    QueueStatus,
    Receipt,
)
from bot.policy.rules import is_host, require_not_banned, require_permission
from engine.request import LoraChoice, LoraSource

log = structlog.get_logger("bot.desk")


class Desk:
    """Implements ``bot.chats.contract.Desk``.

    Attributes:
        is_closing: It is being stopped and accepts no job.
    """

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts
        self._store = parts.store
        self._actions = actions(parts)
        self.is_closing = False
        self._loops: tuple[asyncio.Task[None], ...] = ()

    async def handle(self, command: Command, context: CommandContext) -> Outcome:
        """Do what the command says. When this returns a ``Receipt``, the job survives any crash.

        A stored event is handled once; the second time it gets the same answer. Answers to events that no
        chat stored (the page, the console) are not kept.

        Raises:
            PersonError: Refused; nothing is charged or changed. ``CannotSave``, never kept, means: not now.
        """
        structlog.contextvars.unbind_contextvars("job_id")  # of what this task handled before
        context = replace(context, locale=self.locale_of(context))
        if context.groups is not None:
            self.parts.tiers.note(context)
        inbox, event, queue = self._store.inbox, (context.platform, context.event_id), self.parts.queue
        if isinstance(command, READ_ONLY) or (isinstance(command, TRIALS) and command.dry):
            return await self._execute(command, context)
        prepared: Prepared | None = None
        if isinstance(command, MANAGEMENT) and (await inbox.find(*event)).answer is None:
            prepared = await self._prepare(command, context)
        # Measured before the transaction: a slow disk must not hold the write lock.
        disk = NOT_NEEDED
        if isinstance(command, DRAWS):
            disk = DiskState(await self.parts.space.available_bytes())
        if isinstance(command, FROM_JOBS):
            has_start = await self.parts.continuation.has_start(command, context)
            disk = replace(disk, has_start=has_start)
        answer: Outcome | PersonError
        async with self._store.atomic():
            stored = await inbox.find(*event)
            if stored.answer is not None:
                log.info("event answered as before", platform=context.platform, event_id=context.event_id)
                answer = decode(stored.answer)
            elif stored.job is not None:
                answer = await self.parts.acceptance.repeat(stored.job)
            elif isinstance(command, MANAGEMENT):
                assert prepared is not None  # noqa: S101 - the event had no answer, and one task handles it
                answer = await self.parts.management.finish(
                    command, context, prepared, self._may_use(context)
                )
                if isinstance(answer, PersonError):
                    self.parts.refusals.note(type(answer).__name__)
                if stored.is_stored:
                    await inbox.save_answer(*event, encode(answer))
            else:
                try:
                    async with self._store.atomic():  # a refusal undoes its own changes and nothing else
                        answer = await self._execute(command, context, disk)
                except CannotSave:
                    raise
                except PersonError as refusal:
                    answer = refusal
                if stored.is_stored and not isinstance(answer, Receipt):
                    await inbox.save_answer(*event, encode(answer))
        if isinstance(answer, PersonError):
            raise answer
        if not isinstance(answer, Receipt):
            return answer
        structlog.contextvars.bind_contextvars(job_id=answer.job_id)  # for what the chat logs of its receipt
        ahead = queue.scheduler.ahead_of(answer.job_id)
        wait = queue.estimate_wait(answer.job_id, is_promise=not answer.repeated)
        if not answer.repeated:
            answer = replace(answer, notes=(*self.parts.pausing.notes, *answer.notes))
        is_loading = queue.is_loading()
        loading_s = queue.loading_s() if is_loading else None
        return replace(answer, position=ahead.jobs, wait=wait, is_loading=is_loading, loading_s=loading_s)

    async def _prepare(self, command: ManagementCommand, context: CommandContext) -> Prepared:
        """Do the part of a host's command that takes long, if the person may give it here."""
        try:
            await self._require_permission(command, context)
        except PersonError as refusal:
            self.parts.refusals.note(type(refusal).__name__)
            raise
        return await self.parts.management.prepare(command, context, self._may_use(context))

    async def _execute(
        self, command: Command, context: CommandContext, disk: DiskState = NOT_NEEDED
    ) -> Outcome:
        """Carry out the command if the person may give it here."""
        try:
            await self._require_permission(command, context)
            if isinstance(command, TRIALS) and command.dry:
                return await self.parts.acceptance.foresee(command, context)
            if isinstance(command, DRAWS):
                return await self.parts.acceptance.accept(command, context, disk)
            return await self._actions[type(command)](command, context)
        except PressAgain:  # a question is no refusal
            raise
        except PersonError as refusal:
            self.parts.refusals.note(type(refusal).__name__)
            raise

    def _may_use(self, context: CommandContext) -> Rule:
        return partial(self.parts.consents.may_use, context)

    async def _require_permission(self, command: Command, context: CommandContext) -> None:
        """Return when the person may give this command here.

        Raises:
            NotAllowed: Its class says why not.
        """
        parts = self.parts
        if isinstance(command, LoraOffer) and not is_host(context, parts.rules.now):
            await self._require_permission(Help(), context)
            raise LoraFileSent
        try:
            require_permission(command, context, parts.rules.now)
        except ChatNotAllowed:  # unless it was allowed under an earlier id
            chat_id = context.address.chat_id
            earlier_ids = await self._store.defaults.earlier_ids(context.platform, chat_id)
            require_permission(command, context, parts.rules.now, earlier_ids)
        if parts.rules.now.bans:
            require_not_banned(command, context, parts.rules.now, parts.clock())

    async def migrate_chat(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        """Move permission, default LoRA, jobs and results of a chat to the new id that its platform gave it.

        Placeholders stay behind: messages of the earlier chat cannot be edited in the new one. Call it as
        often as the platform reports the change.
        """

        async def move() -> None:
            """Change the id everywhere in one transaction, then wake the delivery of results."""
            async with self._store.atomic():
                await self._store.defaults.move_chat(platform, old_chat_id, new_chat_id)
                await self._store.jobs.move_chat(platform, old_chat_id, new_chat_id)
                await self._store.messages.forget_chat(platform, old_chat_id)
                await self.parts.consents.move_chat(platform, old_chat_id, new_chat_id)
                await self.parts.profiles.move_chat(platform, old_chat_id, new_chat_id)
                await self._store.outbox.make_due(platform, new_chat_id)
                self._store.after_commit(self.parts.result_ready[platform].set)

        await retry_while_full(move)
        log.info("chat migrated", platform=platform, old_chat_id=old_chat_id, new_chat_id=new_chat_id)

    async def store_placeholder(self, job_id: str, address: Address) -> None:
        """Store where the job's placeholder now is; unknown jobs are ignored."""
        new = (address.platform, address.chat_id, address.ref)
        await retry_while_full(partial(self._store.jobs.set_address, job_id, *new))

    async def placeholder_of(self, job_id: str) -> Address | None:
        """The address that ``store_placeholder`` last stored; None for an unknown job."""
        job = await self._store.jobs.find(job_id)
        return None if job is None else Address(Platform(job.platform), job.chat_id, job.ref)

    async def keep_file_id(
        self, platform: Platform, job_id: str, picture: PictureFile, form: str, file_id: str
    ) -> None:
        """Store the platform's name of a picture that was sent; a full disk only costs a later upload."""
        try:
            await self._store.jobs.save_file_id(platform, job_id, picture.index, form, file_id)
        except CannotSave as error:
            log.warning("file id not kept", job_id=job_id, reason=str(error))

    async def file_ids(
        self, platform: Platform, job_ids: Sequence[str], form: str
    ) -> dict[tuple[str, int], str]:
        """The platform's names of the pictures of these jobs, by job and index, sent as ``form``."""
        return await self._store.jobs.file_ids(platform, job_ids, form)

    async def keep_messages(self, messages: Sequence[PictureMessage]) -> None:
        """Store which pictures these messages show; on a full disk, replies to them only find no settings.

        Those of a job that was deleted while they were on their way are deleted, too.
        """
        try:
            await self._store.messages.add(messages)
            for job_id in {each.job_id for each in messages}:
                await self.delete_messages(job_id)
        except CannotSave as error:
            log.warning("messages not kept", reason=str(error))

    async def find_message(self, platform: Platform, chat_id: str, message_id: str) -> PictureMessage | None:
        """What a message shows; None if it shows no picture of a job."""
        return await self._store.messages.find(platform, chat_id, message_id)

    async def delete_messages(self, job_id: str) -> MessagesLeft:
        """Let every chat delete its messages of a deleted job; return what people still see."""
        return await self.parts.messages.delete(job_id)

    async def find_own(
        self, search: str, context: CommandContext, form: str, page: int = 1
    ) -> tuple[OwnPicture, ...]:
        """The person's pictures that the platform has, newest first, without private ones."""
        return await self.parts.finding.find_own(search, context, form, page)

    def progress_of(self, context: CommandContext) -> LoraAdding | None:
        """How far the command of this event is, if it takes long and reports it; answered from memory."""
        return self.parts.addition.progress_of(context)

    def suggest_loras(self, typed: str, context: CommandContext) -> tuple[LoraSummary, ...]:
        """At most 25 LoRAs that this person may use here and that match, best first; answered from memory."""
        preferred = self.parts.habits.preferred(context)
        return self.parts.shelf.suggest(typed, context.locale, self.parts.profiles.rule(context), preferred)

    def find_lora_for_all(self) -> tuple[tuple[LoraChoice, ...], tuple[LoraSource, ...]]:
        """Return a LoRA that everybody may use, and its files; both empty if no LoRA is open to everybody."""
        for file in self.parts.shelf.all_files:
            if self.parts.consents.is_for_everybody(file):
                loras = (LoraChoice(file.name, file.sha256, file.weight),)
                return loras, self.parts.versions.sources(loras)
        return (), ()

    def suggest_presets(self, typed: str, context: CommandContext) -> tuple[str, ...]:
        """The names of the person's presets that contain the text; answered from memory."""
        return self.parts.preferences.suggest(typed, context)

    def tier_groups(self, platform: Platform) -> tuple[str, ...]:
        """The groups of a platform whose members are in a tier, as ``platform:id``; answered from memory."""
        names = self.parts.rules.now.tier_groups
        return tuple(sorted(name for name in names if name.startswith(f"{platform}:")))

    def hosts(self, platform: Platform) -> tuple[str, ...]:
        """The user ids of those who are hosts on a platform now; answered from memory."""
        found = (name.partition(":") for name in self.parts.rules.now.hosts)
        return tuple(sorted(user_id for where, _, user_id in found if where == platform))

    def wants_private(self, command: Command, context: CommandContext) -> bool:
        """Whether the person alone is to see the answer to a request for pictures; answered from memory."""
        if isinstance(command, Compare | Draft):
            command = command.draw
        if isinstance(command, DrawRecipe):
            always = self.parts.preferences.settings_of(context).options.private
            return bool(always if command.private is None else command.private)
        if not isinstance(command, Draw):
            return False
        try:
            command, _ = self.parts.preferences.complete(command, context)
        except PersonError:  # no such preset: ``handle`` refuses it
            return False
        return bool(command.private)

    def locale_of(self, context: CommandContext) -> str:
        """The person's own language, else that of the chat, else that of the platform; from memory.

        What everybody in a server reads is in the language of the chat, else of the server, if one is known.
        """
        own, chat = self.parts.preferences.settings_of(context), self.parts.profiles.of(context)
        of_all = (chat.language or context.space_locale) if context.is_group and context.space_id else ""
        return of_all or own.language or chat.language or context.locale

    def queue_status(self) -> QueueStatus:
        """The queue as it is now; answered from memory."""
        drawing, step, steps = self.parts.drawing.running
        waiting, default = self.parts.queue.scheduler.waiting, self.parts.defaults.of_bot
        return QueueStatus(waiting, drawing, step, steps, default, self.parts.pausing.now)

    async def store_events(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        """Store raw events (id, JSON) before they are confirmed to the platform; known ids are skipped.

        It waits while the disk is full: if it returned, the chat would confirm events that are not stored.
        """
        await retry_while_full(partial(self._store.inbox.add, platform, events, self.parts.clock()))

    async def pending_events(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        """The stored events that are not finished, oldest first."""
        return await retry_while_full(partial(self._store.inbox.unsettled, platform))

    async def finish_event(self, platform: Platform, event_id: str) -> None:
        """Note that the answer was sent: the event is not handled again, and its answer is deleted."""
        await retry_while_full(partial(self._store.inbox.settle, platform, event_id))

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Resume what the last run left, then draw, deliver and publish until drained or cancelled."""
        parts = self.parts
        await parts.delivery.recover()
        await retry_while_full(parts.permissions.load)
        await retry_while_full(parts.pausing.load)
        await retry_while_full(parts.tiers.load)
        await retry_while_full(parts.consents.load)
        await retry_while_full(parts.habits.load)
        await retry_while_full(parts.preferences.load)
        await retry_while_full(parts.profiles.load)
        parts.progress.announce_positions(await parts.drawing.recover())
        await retry_while_full(parts.defaults.load)
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(parts.progress.run(chats), name="desk publishes")
            delivering = group.create_task(parts.delivery.run(chats), name="desk delivers")
            drawing = group.create_task(parts.drawing.run(), name="desk draws")
            indexing = group.create_task(parts.index.run(), name="desk adds words to the search")
            alerting = group.create_task(parts.alerts.run(chats), name="desk alerts hosts")
            reporting = group.create_task(parts.reports.run(chats), name="desk reports to owners")
            counting = group.create_task(parts.refusals.run(), name="desk counts refusals")
            clearing = group.create_task(parts.messages.run(chats), name="desk deletes messages")
            deleting = group.create_task(parts.deletion.run(), name="desk deletes pictures")
            self._loops = (drawing, delivering, publishing, deleting)
            await asyncio.wait({drawing})
            parts.delivery.close()
            parts.deletion.close()
            await asyncio.wait({delivering, deleting})
            publishing.cancel()
            reporting.cancel()
            alerting.cancel()
            indexing.cancel()
            counting.cancel()
            clearing.cancel()
        await parts.refusals.flush()

    async def drain(self, timeout_s: float) -> None:
        """Stop: take no job, requeue the running one after its step, deliver what is ready; ``run`` returns.

        Whatever takes longer than the timeout is cancelled; the next start resumes it.
        """
        self.is_closing = True
        self.parts.acceptance.close()
        self.parts.drawing.close()
        if not self._loops:  # a stop right after the start
            self.parts.delivery.close()
            with suppress(CannotSave, OSError, TimeoutError):  # the next start deletes them
                async with asyncio.timeout(timeout_s):
                    await self.parts.deletion.delete_files()
            return
        _, late = await asyncio.wait(self._loops, timeout=timeout_s)
        for loop in late:
            loop.cancel()
        await asyncio.wait(self._loops)
        log.info("desk stopped", cut_off=[loop.get_name() for loop in late])
