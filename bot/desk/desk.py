"""The desk: every use case behind one door, and the loops that keep a job moving.

It answers chats from the store and never waits for a picture. What it said survives a crash; what a crash
interrupted it finds again at the start of ``run``.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Protocol, assert_never

import structlog

from bot.commands.values import (
    Cancel,
    Command,
    Draw,
    Help,
    Link,
    LoraList,
    LoraSwitch,
    Mine,
    Original,
    Quota,
    Reroll,
    Unlink,
)
from bot.desk.acceptance import JobAcceptance
from bot.desk.answers import StoredAnswers
from bot.desk.completion import JobCancellation, JobCompletion
from bot.desk.delivery import Delivers, ResultDelivery
from bot.desk.drawing import Drawing, LoraPrefetch, Renderer
from bot.desk.files import PictureSpace, saved
from bot.desk.history import HistoryQueries
from bot.desk.loras import LoraDefaults, LoraShelf
from bot.desk.people.ledger import Ledger
from bot.desk.people.linking import AccountLinking
from bot.desk.people.tiers import TierMembership
from bot.desk.progress import ProgressPublisher, Shows
from bot.desk.queue import JobQueue
from bot.desk.recipes import Recipes
from bot.errors import CannotSave, ChatNotAllowed
from bot.outcomes import (
    Address,
    CommandContext,
    HelpWithVocabulary,
    LoraSummary,
    Outcome,
    PictureFile,
    Platform,
    QueueStatus,
    Receipt,
)
from bot.policy.rights import require_chat, require_right
from bot.policy.rules import Rules
from bot.store import Store
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.demo.vocabulary import vocabulary
from engine.planner.cost import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.scheduler import Scheduler
from engine.shelf import Shelf

_READING = (Mine, Original, Quota, LoraList, Help)

log = structlog.get_logger("bot.desk")


class Chat(Shows, Delivers, Protocol):
    """What the desk needs of a ``bot.chats.contract.Chat``."""


class Desk:
    """Implements ``bot.chats.contract.Desk``.

    Args:
        rules: Who may do what, and how much.
        pictures_dir: Where finished pictures lie; made when the first one is.
        reserve_bytes: What pictures leave free on its disk.
        default_lora: The default where no host switched one; empty for none.
        is_loading: Whether the renderer still loads its model, so that nothing is drawn yet.
        clock: UTC milliseconds.
        random: Of seeds and job ids.
        measure: How long a prompt is for the model; None leaves that to the worker, after the charge.
    """

    def __init__(
        self,
        *,
        store: Store,
        renderer: Renderer,
        shelf: Shelf,
        model: ModelInfo,
        scheduler: Scheduler,
        probe: HeadroomProbe,
        costs: CostBook,
        rules: Rules,
        pictures_dir: Path,
        clock: Callable[[], int],
        reserve_bytes: int = 0,
        default_lora: str = "",
        is_loading: Callable[[], bool] = lambda: False,
        random: Random | None = None,
        measure: Callable[[str], PromptLength] | None = None,
    ) -> None:
        random = random or SystemRandom()
        self._store = store
        self._rules = rules
        self._clock = clock
        self._model = model
        self._shelf = LoraShelf(shelf)
        self._answers = StoredAnswers(store)
        recipes = Recipes(shelf=self._shelf, model=model, random=random, measure=measure)
        self._defaults = LoraDefaults(store=store, shelf=self._shelf, from_settings=default_lora)
        self._tiers = TierMembership(store=store, rules=rules)
        ledger = Ledger(store=store, tiers=self._tiers, clock=clock)
        line = JobQueue(scheduler, costs, weight_of=self._tiers.weight_of, is_loading=is_loading)
        self._board = ProgressPublisher(store=store, line=line)
        line.on_change(self._board.queue_changed)
        line.on_change(LoraPrefetch(line, renderer).queue_changed)
        self._space = PictureSpace(pictures_dir, reserve_bytes)
        completion = JobCompletion(store=store, ledger=ledger, line=line, clock=clock)
        self._drawing = Drawing(
            store=store,
            renderer=renderer,
            line=line,
            completion=completion,
            board=self._board,
            probe=probe,
            costs=costs,
            pictures_dir=pictures_dir,
            space=self._space,
            clock=clock,
        )
        self._delivery = ResultDelivery(
            store=store,
            completion=completion,
            board=self._board,
            pictures_dir=pictures_dir,
            clock=clock,
            notes_on=recipes.word_notes,
        )
        self._acceptance = JobAcceptance(
            store=store,
            ledger=ledger,
            recipes=recipes,
            defaults=self._defaults,
            line=line,
            rules=rules,
            clock=clock,
            random=random,
        )
        self._cancellation = JobCancellation(
            store=store, completion=completion, rules=rules, stop_drawing=self._drawing.stop
        )
        self._history = HistoryQueries(
            store=store,
            ledger=ledger,
            tiers=self._tiers,
            line=line,
            pictures_dir=pictures_dir,
            posted=completion.posted,
            rules=rules,
            clock=clock,
        )
        self._linking = AccountLinking(store=store, ledger=ledger, line=line, clock=clock, random=random)
        self._line = line
        self._loops: tuple[asyncio.Task[None], ...] = ()

    async def handle(self, command: Command, context: CommandContext) -> Outcome:
        """Do what was asked. When this returns a ``Receipt``, the job survives any crash.

        An event that was taken in and not settled is carried out once: again, it gets the same answer.

        Raises:
            PersonError: Refused; nothing was charged or changed. ``CannotSave`` among them: not now.
        """
        if isinstance(command, _READING):  # changes nothing that a second time would spoil
            return await self._do(command, context)
        # Measured before the transaction of ``once``: a slow disk must not hold the write lock.
        room_bytes = await self._space.room_bytes() if isinstance(command, Draw | Reroll) else 0
        outcome = await self._answers.once(context, lambda: self._do(command, context, room_bytes))
        return self._acceptance.with_turn(outcome) if isinstance(outcome, Receipt) else outcome

    async def _do(self, command: Command, context: CommandContext, room_bytes: int = 0) -> Outcome:
        await self._require_chat(context)
        require_right(command, context, self._rules)
        match command:
            case Draw():
                return await self._acceptance.draw(command, context, room_bytes)
            case Reroll():
                return await self._acceptance.reroll(command, context, room_bytes)
            case Cancel():
                return await self._cancellation.cancel(command, context)
            case Mine():
                return await self._history.mine(command, context)
            case Original():
                return await self._history.original(command, context)
            case Quota():
                return await self._history.quota(context)
            case Link():
                return await self._linking.link(command, context)
            case Unlink():
                return await self._linking.unlink(command, context)
            case LoraList():
                return await self._defaults.show(context)
            case LoraSwitch():
                return await self._defaults.switch(command, context)
            case Help():
                return HelpWithVocabulary(vocabulary(context.locale)) if self._model.is_built_in else command
        assert_never(command)

    async def _require_chat(self, context: CommandContext) -> None:
        """Return when the bot serves this chat, under its present id or one that it had before."""
        try:
            require_chat(context, self._rules)
        except ChatNotAllowed:
            earlier_ids = await self._store.defaults.earlier_ids(context.platform, context.address.chat_id)
            require_chat(context, self._rules, earlier_ids)

    async def migrate_chat(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        """A platform gave a chat another id: its permission, default LoRA, jobs and results follow.

        Their placeholders do not: messages of the earlier chat cannot be edited in the new one. Call it as
        often as the platform says so.
        """

        async def move() -> None:
            async with self._store.atomic():
                await self._store.defaults.move_chat(platform, old_chat_id, new_chat_id)
                await self._store.jobs.move_chat(platform, old_chat_id, new_chat_id)
                await self._store.outbox.make_due(platform, new_chat_id)
                self._store.after_commit(self._delivery.look)

        await saved(move)
        log.info("chat migrated", platform=platform, old_chat_id=old_chat_id, new_chat_id=new_chat_id)

    async def store_placeholder(self, job_id: str, address: Address) -> None:
        """Store where the job's placeholder now is; unknown jobs are ignored."""
        place = (address.platform, address.chat_id, address.ref)
        await saved(lambda: self._store.jobs.set_address(job_id, *place))

    async def placeholder_of(self, job_id: str) -> Address | None:
        """The address that ``store_placeholder`` last stored; None for an unknown job."""
        job = await self._store.jobs.find(job_id)
        return None if job is None else Address(Platform(job.platform), job.chat_id, job.ref)

    async def keep_file_id(
        self, platform: Platform, job_id: str, picture: PictureFile, form: str, file_id: str
    ) -> None:
        """Remember how the platform names a picture it was sent; a full disk only costs an upload later."""
        try:
            await self._store.jobs.save_file_id(platform, job_id, picture.index, form, file_id)
        except CannotSave as error:
            log.warning("file id not kept", job_id=job_id, reason=str(error))

    async def file_ids(
        self, platform: Platform, job_ids: Sequence[str], form: str
    ) -> dict[tuple[str, int], str]:
        """How the platform names the pictures of these jobs, by job and index, sent as ``form``."""
        return await self._store.jobs.file_ids(platform, job_ids, form)

    def suggest_loras(self, typed: str, locale: str) -> tuple[LoraSummary, ...]:
        """At most 25 LoRAs that match what was typed so far, best first; answered from memory."""
        return self._shelf.suggest(typed, locale)

    def queue_status(self) -> QueueStatus:
        """The queue as it is now; answered from memory."""
        drawing, step, steps = self._drawing.running
        return QueueStatus(self._line.waiting, drawing, step, steps, self._defaults.of_bot)

    async def store_events(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        """Store raw events (id, JSON) before they are confirmed to the platform; known ids are skipped.

        While the disk takes nothing it waits, for to return would confirm what is nowhere.
        """
        await saved(lambda: self._store.inbox.add(platform, events, self._clock()))

    async def pending_events(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        """The stored events that were not settled yet, oldest first."""
        return await saved(lambda: self._store.inbox.unsettled(platform))

    async def finish_event(self, platform: Platform, event_id: str) -> None:
        """The answer was sent; the event need not be handled again, and its answer is forgotten."""
        await saved(lambda: self._store.inbox.settle(platform, event_id))

    async def run(self, chats: Mapping[Platform, Chat]) -> None:
        """Pick up what the last run left, then draw, deliver and tell until drained or cancelled."""
        await self._delivery.recover()
        await saved(self._tiers.recall)
        self._board.remind(await self._drawing.recover())
        await saved(self._defaults.recall)
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._board.run(chats), name="desk tells")
            delivering = group.create_task(self._delivery.run(chats), name="desk delivers")
            drawing = group.create_task(self._drawing.run(), name="desk draws")
            self._loops = (drawing, delivering, telling)
            await asyncio.wait({drawing})
            self._delivery.close()
            await asyncio.wait({delivering})
            telling.cancel()

    async def drain(self, timeout_s: float) -> None:
        """Stop: take no job, put the running one back after its step, deliver what is ready; ``run`` returns.

        What is not done in time is cut off; nothing is lost by it.
        """
        self._acceptance.close()
        self._drawing.close()
        if not self._loops:
            self._delivery.close()
            return
        _, late = await asyncio.wait(self._loops, timeout=timeout_s)
        for loop in late:
            loop.cancel()
        await asyncio.wait(self._loops)
        log.info("desk stopped", cut_off=[loop.get_name() for loop in late])
