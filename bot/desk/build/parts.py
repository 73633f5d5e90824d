"""Build a desk: make its parts and connect them."""

import asyncio
from functools import partial

from bot.desk.acceptance import JobAcceptance
from bot.desk.alerts.alerts import HostAlerts
from bot.desk.asking.preferences import Preferences
from bot.desk.asking.profiles import ChatProfiles, LoraDefaults
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.requests import DrawRequests
from bot.desk.build.inputs import DeskInputs
from bot.desk.cancellation import JobCancellation
from bot.desk.desk import Desk
from bot.desk.dispatch import DeskParts, ReportCard
from bot.desk.drawing import Drawing, Renderer
from bot.desk.files import PictureSpace
from bot.desk.finding.drawing import RecipeDrawings
from bot.desk.finding.export import PictureExport
from bot.desk.finding.history import PictureHistory
from bot.desk.finding.indexing import SearchIndex
from bot.desk.finding.recipes import RecipeBook
from bot.desk.finding.settings import SettingsReader
from bot.desk.hosting.access import Access
from bot.desk.hosting.audit import HostAudit
from bot.desk.hosting.bans import Bans
from bot.desk.hosting.grants import Grants
from bot.desk.hosting.pausing import Pausing
from bot.desk.hosting.permissions import Permissions
from bot.desk.hosting.queue import QueueView
from bot.desk.hosting.statistics import RefusalCounts, StatisticsView
from bot.desk.hosting.status import StatusView
from bot.desk.hosting.subjects import Subjects
from bot.desk.iterating.continuation import JobContinuation
from bot.desk.iterating.deletion import PictureDeletion
from bot.desk.iterating.editing import JobEditing
from bot.desk.iterating.messages import MessageDeletion
from bot.desk.iterating.offers import offers_of
from bot.desk.iterating.pictures import PicturePicking
from bot.desk.iterating.sharing import JobSharing
from bot.desk.iterating.sources import StartPictures
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.habits import LoraHabits
from bot.desk.loras.reports import OwnerReports
from bot.desk.loras.shelf import LoraShelf
from bot.desk.loras.statements import Statements
from bot.desk.people.access import JobAccess
from bot.desk.people.claiming import HostClaim
from bot.desk.people.history import HistoryQueries
from bot.desk.people.ledger import Ledger, TierMembership
from bot.desk.people.linking import AccountLinking
from bot.desk.people.oversight import Oversight
from bot.desk.queue import JobQueue, ProgressPublisher, PromisedWaits
from bot.desk.results import JobCompletion, OutboxDelivery
from bot.desk.sheets.writing import Sheets
from bot.desk.shelf.management import ShelfManagement
from bot.desk.shelf.preview import PreviewStrips
from bot.desk.shelf.trials import TrialPictures
from bot.desk.shelf.versions import LocatedRenderer, LoraVersions
from bot.desk.shelf.view import ShelfView
from bot.outcomes import Platform
from bot.policy.live import LiveRules
from engine.config import LORA_VERSIONS, PROMPTS
from engine.host.report import CardReport
from engine.scheduler import Scheduler


def build_desk(inputs: DeskInputs) -> Desk:
    """Make the parts of a desk and connect them."""
    store, rules, clock, random = inputs.store, LiveRules(inputs.rules), inputs.clock, inputs.random
    pictures_dir = inputs.pictures_dir
    shelf = LoraShelf(inputs.shelf, Statements(inputs.stated))
    versions = LoraVersions(
        inputs.cache_dir / LORA_VERSIONS,
        shelf,
        lambda: (*queue.jobs.values(), *drawing.taken),
        inputs.reserve_bytes,
    )
    renderer = LocatedRenderer(inputs.renderer, versions)
    trials = TrialPictures(renderer, inputs.model)
    files = inputs.open_folder(shelf, trials)
    recipes = Recipes(shelf=shelf, model=inputs.model, random=random, measure=inputs.measure)
    defaults = LoraDefaults(store=store, shelf=shelf, from_settings=inputs.default_lora)
    space = PictureSpace(pictures_dir, inputs.reserve_bytes)
    strips = PreviewStrips(inputs.cache_dir / "previews", inputs.weights, trials.draw, space.available_bytes)
    tiers = TierMembership(store=store, rules=rules, clock=clock)
    ledger = Ledger(store=store, tiers=tiers, clock=clock)
    audit = HostAudit(store, clock)
    permissions = Permissions(store=store, rules=rules, tiers=tiers, audit=audit, clock=clock)
    queue = _build_queue(inputs, tiers, shelf, renderer)
    pausing = Pausing(store=store, queue=queue, audit=audit, clock=clock)
    progress = ProgressPublisher(store=store, queue=queue)
    result_ready = {platform: asyncio.Event() for platform in Platform}
    completion = JobCompletion(
        store=store,
        ledger=ledger,
        queue=queue,
        pictures_dir=pictures_dir,
        result_ready=result_ready,
        clock=clock,
    )
    sources, deletion = (
        StartPictures(store, pictures_dir),
        PictureDeletion(store, pictures_dir, inputs.cache_dir / PROMPTS),
    )

    def withdraw(sha256: frozenset[str]) -> None:
        renderer.withdraw(sha256)
        strips.withdraw(sha256)

    consents = ConsentLedger(
        store=store,
        shelf=shelf,
        completion=completion,
        rules=rules,
        stop_drawing=lambda job_id: drawing.stop(job_id),
        withdraw=withdraw,
        clock=clock,
    )
    habits = LoraHabits(store)
    report_card = inputs.report_card or _report_memory(inputs)
    access = JobAccess(store=store, rules=rules)
    continuation = JobContinuation(store=store, access=access, sources=sources, model=inputs.model)
    waits = PromisedWaits()
    drawing = _build_drawing(inputs, renderer, queue, completion, progress, space, consents, sources, waits)
    editing = JobEditing(access=access, shelf=shelf)
    preferences = Preferences(store=store, editing=editing, clock=clock)
    sheets = Sheets(recipes, inputs.model)
    profiles = ChatProfiles(store=store, shelf=shelf, defaults=defaults, consents=consents, clock=clock)
    requests = DrawRequests(
        store=store,
        recipes=recipes,
        sheets=sheets,
        defaults=defaults,
        profiles=profiles,
        preferences=preferences,
        clock=clock,
    )
    book = RecipeBook(
        store=store,
        access=access,
        editing=editing,
        shelf=shelf,
        consents=consents,
        clock=clock,
        random=random,
    )
    drawings = RecipeDrawings(book=book, recipes=recipes, consents=consents, preferences=preferences)
    acceptance = _build_acceptance(
        inputs,
        rules,
        ledger,
        recipes,
        sheets,
        requests,
        profiles,
        habits,
        continuation,
        drawings,
        queue,
        pausing,
    )
    index = SearchIndex(store)
    delivery = OutboxDelivery(
        store=store,
        result_ready=result_ready,
        progress=progress,
        pictures_dir=pictures_dir,
        clock=clock,
        find_notes=recipes.find_notes if inputs.model.is_built_in else None,
        offers_of=partial(offers_of, inputs.model),
    )
    history = HistoryQueries(
        store=store,
        ledger=ledger,
        tiers=tiers,
        pictures_dir=pictures_dir,
        access=access,
        rules=rules,
        clock=clock,
    )
    subjects, refusals = Subjects(store), RefusalCounts(store, clock)
    cancellation = JobCancellation(
        store=store, completion=completion, rules=rules, audit=audit, stop_drawing=drawing.stop
    )

    def running() -> str:
        """Return the job on the card; empty for none."""
        return drawing.running[0]

    parts = DeskParts(
        store=store,
        rules=rules,
        model=inputs.model,
        clock=clock,
        shelf=shelf,
        defaults=defaults,
        consents=consents,
        habits=habits,
        preferences=preferences,
        profiles=profiles,
        reports=OwnerReports(store=store, shelf=shelf, clock=clock),
        alerts=HostAlerts(
            store=store,
            hosts=lambda: rules.now.hosts,
            locale=inputs.locale,
            is_enabled=inputs.sends_alerts,
            clock=clock,
        ),
        tiers=tiers,
        permissions=permissions,
        pausing=pausing,
        status=StatusView(
            store=store,
            queue=queue,
            pausing=pausing,
            model=inputs.model,
            report_card=partial(report_card, None),
            running=running,
        ),
        queue_view=QueueView(store=store, queue=queue, pausing=pausing, running=running, clock=clock),
        bans=Bans(
            store=store,
            rules=rules,
            permissions=permissions,
            subjects=subjects,
            cancellation=cancellation,
            audit=audit,
            clock=clock,
        ),
        grants=Grants(store=store, ledger=ledger, subjects=subjects, audit=audit, clock=clock),
        refusals=refusals,
        statistics=StatisticsView(store=store, refusals=refusals, draw=inputs.draw_statistics, clock=clock),
        oversight=Oversight(store=store, rules=rules, tiers=tiers, clock=clock),
        access=Access(store=store, rules=rules, permissions=permissions, audit=audit),
        queue=queue,
        waits=waits,
        result_ready=result_ready,
        space=space,
        acceptance=acceptance,
        cancellation=cancellation,
        completion=completion,
        drawing=drawing,
        progress=progress,
        delivery=delivery,
        trials=trials,
        files=files,
        versions=versions,
        shelf_view=ShelfView(shelf=shelf, defaults=defaults, files=files, strips=strips, rules=rules),
        management=ShelfManagement(
            store=store,
            shelf=shelf,
            defaults=defaults,
            files=files,
            downloader=inputs.downloader,
            incoming=inputs.cache_dir / "incoming",
            space=space,
            clock=clock,
        ),
        history=history,
        continuation=continuation,
        picking=PicturePicking(
            store=store,
            access=access,
            pictures_dir=pictures_dir,
            offers_of=partial(offers_of, inputs.model),
        ),
        editing=editing,
        sharing=JobSharing(
            store=store,
            access=access,
            rules=rules,
            may_draw=consents.may_draw,
            profiles=profiles,
            result_ready=result_ready,
            files_to_delete=deletion.changed,
            clock=clock,
        ),
        deletion=deletion,
        messages=MessageDeletion(store),
        finding=PictureHistory(
            store=store,
            index=index,
            book=book,
            access=access,
            queue=queue,
            pictures_dir=pictures_dir,
            result_ready=result_ready,
            clock=clock,
        ),
        index=index,
        book=book,
        settings=SettingsReader(
            book=book,
            shelf=shelf,
            consents=consents,
            model=inputs.model,
            download=inputs.downloader.read,
        ),
        export=PictureExport(
            store=store,
            space=space,
            pictures_dir=pictures_dir,
            folder=inputs.cache_dir / "exports",
            clock=clock,
        ),
        report_card=report_card,
        diagnose=inputs.diagnose,
        claiming=HostClaim(
            store=store, permissions=permissions, rules=rules, data_dir=inputs.cache_dir, clock=clock
        ),
        linking=AccountLinking(store=store, ledger=ledger, queue=queue, clock=clock, random=random),
    )
    return Desk(parts)


def _report_memory(inputs: DeskInputs) -> ReportCard:
    """Report what the probe alone tells."""

    async def report(locale: str | None, waiting: int) -> CardReport:
        memory = await asyncio.to_thread(inputs.probe.read)
        state = "loading" if inputs.is_loading() else "ready"
        return CardReport(device_name=memory.device_name, state=state, memory=memory, waiting=waiting)

    return report


def _build_queue(inputs: DeskInputs, tiers: TierMembership, shelf: LoraShelf, renderer: Renderer) -> JobQueue:
    return JobQueue(
        Scheduler(),
        inputs.costs,
        weights=tiers.weights,
        is_loading=inputs.is_loading,
        loading_s=inputs.loading_s,
        prefetch=renderer.prefetch,
        extra_bytes=shelf.extra_bytes,
    )


def _build_acceptance(
    inputs: DeskInputs,
    rules: LiveRules,
    ledger: Ledger,
    recipes: Recipes,
    sheets: Sheets,
    requests: DrawRequests,
    profiles: ChatProfiles,
    habits: LoraHabits,
    continuation: JobContinuation,
    drawings: RecipeDrawings,
    queue: JobQueue,
    pausing: Pausing,
) -> JobAcceptance:
    return JobAcceptance(
        store=inputs.store,
        ledger=ledger,
        recipes=recipes,
        sheets=sheets,
        requests=requests,
        profiles=profiles,
        habits=habits,
        continuation=continuation,
        drawings=drawings,
        queue=queue,
        pausing=pausing,
        rules=rules,
        clock=inputs.clock,
        random=inputs.random,
    )


def _build_drawing(
    inputs: DeskInputs,
    renderer: Renderer,
    queue: JobQueue,
    completion: JobCompletion,
    progress: ProgressPublisher,
    space: PictureSpace,
    consents: ConsentLedger,
    sources: StartPictures,
    waits: PromisedWaits,
) -> Drawing:
    return Drawing(
        store=inputs.store,
        renderer=inputs.renderer,
        lora_renderer=renderer,
        queue=queue,
        completion=completion,
        progress=progress,
        probe=inputs.probe,
        costs=inputs.costs,
        space=space,
        may_draw=consents.may_draw,
        read_start=sources.read,
        waits=waits,
        clock=inputs.clock,
    )
