"""What the desk consists of, and which part carries out each command."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bot.commands.values import (
    Adopt,
    AllowAccess,
    BanPerson,
    Cancel,
    ClaimBot,
    Command,
    Compare,
    Delete,
    Diagnose,
    DisallowAccess,
    Draft,
    DrainQueue,
    Draw,
    DrawRecipe,
    Edit,
    EditPresets,
    EditProfile,
    EditSettings,
    Enlarge,
    Export,
    Favourite,
    GiveCredits,
    GrantCredits,
    Help,
    Link,
    ListHostActions,
    ListPeople,
    ListReports,
    LoraAdd,
    LoraAllow,
    LoraCheck,
    LoraInfo,
    LoraList,
    LoraOffer,
    LoraReload,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    Mine,
    Original,
    PauseDrawing,
    Pick,
    Publish,
    Quota,
    ReadSettings,
    Repeat,
    Report,
    Reroll,
    ResumeDrawing,
    ShowCard,
    ShowQueue,
    ShowRecipe,
    ShowStatistics,
    ShowStatus,
    UnbanPerson,
    Unlink,
    Vary,
)
from bot.desk.acceptance import JobAcceptance
from bot.desk.alerts.alerts import HostAlerts
from bot.desk.asking.editing import PreferenceEditing, ProfileEditing
from bot.desk.asking.remembered import ChatProfiles, Preferences
from bot.desk.asking.requests import LoraDefaults
from bot.desk.cancellation import JobCancellation
from bot.desk.drawing.loop import Drawing
from bot.desk.files import LooseFiles, PictureSpace
from bot.desk.finding.export import PictureExport
from bot.desk.finding.history import PictureHistory
from bot.desk.finding.indexing import SearchIndex
from bot.desk.finding.recipes import RecipeBook
from bot.desk.finding.settings import SettingsReader
from bot.desk.hosting.access import Access
from bot.desk.hosting.bans import Bans
from bot.desk.hosting.grants import Grants
from bot.desk.hosting.pausing import Pausing
from bot.desk.hosting.permissions import Permissions
from bot.desk.hosting.queue import QueueView
from bot.desk.hosting.statistics import RefusalCounts, StatisticsView
from bot.desk.hosting.status import StatusView
from bot.desk.iterating.continuation import JobContinuation
from bot.desk.iterating.deletion import PictureDeletion
from bot.desk.iterating.editing import JobEditing
from bot.desk.iterating.messages import MessageDeletion
from bot.desk.iterating.pictures import PicturePicking
from bot.desk.iterating.sharing import JobSharing
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.habits import LoraHabits
from bot.desk.loras.reports import OwnerReports
from bot.desk.loras.shelf import LoraShelf
from bot.desk.people.claiming import HostClaim
from bot.desk.people.gifts import Gifts
from bot.desk.people.history import HistoryQueries
from bot.desk.people.ledger import TierMembership
from bot.desk.people.linking import AccountLinking
from bot.desk.people.oversight import Oversight
from bot.desk.queue import JobQueue, ProgressPublisher
from bot.desk.results import JobCompletion, OutboxDelivery
from bot.desk.shelf.adding import LoraAddition
from bot.desk.shelf.lora_folder import LoraFolder
from bot.desk.shelf.management import ShelfManagement
from bot.desk.shelf.trials import TrialPictures
from bot.desk.shelf.versions import LoraVersions
from bot.desk.shelf.view import ShelfView
from bot.outcomes import (
    CommandContext,
    Diagnosis,
    HelpWithVocabulary,
    Linked,
    LoraFileOffered,
    Outcome,
    Platform,
    RecipeShown,
    SettingsRead,
)
from bot.policy.live import LiveRules
from bot.policy.rules import require_permission, require_private_chat
from bot.store import Store
from engine.checkpoint.model import ModelInfo
from engine.demo.vocabulary import vocabulary
from engine.host.report import CardReport

READ_ONLY = (
    *(Mine, Original, Pick, Edit, ListReports, ShowRecipe, ReadSettings, Export, Quota),
    *(LoraList, LoraInfo, LoraOffer, ShowCard, ShowStatus, ShowQueue, ShowStatistics, Diagnose),
    *(ListPeople, ListHostActions, Help),
)
"""Commands whose event may be handled twice: they change nothing, or nothing more the second time."""

MANAGEMENT = (LoraSwitch, LoraAdd, LoraRemove, LoraCheck, LoraReload)
"""Commands of ``ShelfManagement``: what takes long runs before the transaction."""

FROM_JOBS = (Adopt, Reroll, Repeat, Vary, Enlarge, DrawRecipe)
"""Commands that continue from a job, perhaps from one of its pictures."""
DRAWS = (Draw, Compare, Draft, *FROM_JOBS)
"""Commands that make a job, all through ``JobAcceptance``."""
TRIALS = (Draw, Compare, Draft, DrawRecipe)
"""Those of them that may be ``dry``."""

Action = Callable[[Any, CommandContext], Awaitable[Outcome]]
"""Carries out one class of command, in the transaction of ``Desk.handle`` unless it is ``READ_ONLY``.

It waits for nothing outside this process, and changes memory through ``Store.after_commit``.
"""

ReportCard = Callable[[str | None, int], Awaitable[CardReport]]
"""Returns the state of the card, for a number of waiting jobs; with a chart in a locale, or None without."""


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What the desk consists of; ``bot.desk.build`` makes them.

    Attributes:
        clock: UTC milliseconds.
        result_ready: By platform, set when the outbox has a new result or one may have become due.
    """

    store: Store
    rules: LiveRules
    model: ModelInfo
    clock: Callable[[], int]
    shelf: LoraShelf
    defaults: LoraDefaults
    consents: ConsentLedger
    habits: LoraHabits
    preferences: Preferences
    profiles: ChatProfiles
    preference_editing: PreferenceEditing
    profile_editing: ProfileEditing
    reports: OwnerReports
    alerts: HostAlerts
    tiers: TierMembership
    permissions: Permissions
    pausing: Pausing
    status: StatusView
    queue_view: QueueView
    bans: Bans
    refusals: RefusalCounts
    statistics: StatisticsView
    grants: Grants
    gifts: Gifts
    access: Access
    oversight: Oversight
    queue: JobQueue
    result_ready: Mapping[Platform, asyncio.Event]
    space: PictureSpace
    acceptance: JobAcceptance
    cancellation: JobCancellation
    completion: JobCompletion
    drawing: Drawing
    progress: ProgressPublisher
    delivery: OutboxDelivery
    trials: TrialPictures
    files: LoraFolder
    versions: LoraVersions
    shelf_view: ShelfView
    addition: LoraAddition
    management: ShelfManagement
    history: HistoryQueries
    continuation: JobContinuation
    picking: PicturePicking
    editing: JobEditing
    sharing: JobSharing
    loose_files: LooseFiles
    deletion: PictureDeletion
    messages: MessageDeletion
    finding: PictureHistory
    index: SearchIndex
    book: RecipeBook
    settings: SettingsReader
    export: PictureExport
    linking: AccountLinking
    claiming: HostClaim
    report_card: ReportCard
    diagnose: Callable[[], Awaitable[Diagnosis]]


def actions(parts: DeskParts) -> dict[type[Command], Action]:
    """Return the action of each command that is neither in ``DRAWS`` nor in ``MANAGEMENT``."""
    return {
        EditSettings: parts.preference_editing.edit_settings,
        EditPresets: parts.preference_editing.edit_presets,
        EditProfile: parts.profile_editing.edit,
        Cancel: partial(_cancel, parts),
        Quota: partial(_read_balance, parts),
        GiveCredits: parts.gifts.give,
        Help: partial(_show_help, parts),
        **_of_pictures(parts),
        **_of_identities(parts),
        **_of_loras(parts),
        **_of_hosts(parts),
    }


def _of_pictures(parts: DeskParts) -> dict[type[Command], Action]:
    return {
        Mine: parts.finding.list_jobs,
        Favourite: parts.finding.set_favourite,
        ShowRecipe: partial(_show_priced, parts, parts.book.show),
        ReadSettings: partial(_show_priced, parts, parts.settings.read),
        Export: parts.export.export,
        Original: parts.history.find_originals,
        Pick: parts.picking.pick,
        Edit: parts.editing.edit,
        Publish: parts.sharing.publish,
        Delete: parts.sharing.delete,
        Report: parts.sharing.report,
        ListReports: parts.sharing.list_reports,
    }


def _of_identities(parts: DeskParts) -> dict[type[Command], Action]:
    async def follow_identity(context: CommandContext) -> None:
        """Read again what is remembered by person: this identity was linked or unlinked."""
        await parts.consents.load()
        await parts.habits.load()
        await parts.preferences.follow_identity(context)

    async def link(command: Link, context: CommandContext) -> Outcome:
        linking = await parts.linking.link(command, context)
        if isinstance(linking, Linked):
            await follow_identity(context)
        return linking

    async def unlink(command: Unlink, context: CommandContext) -> Outcome:
        unlinked = await parts.linking.unlink(command, context)
        await follow_identity(context)
        return unlinked

    return {Link: link, Unlink: unlink, ClaimBot: parts.claiming.claim}


def _of_loras(parts: DeskParts) -> dict[type[Command], Action]:
    may_use, view = parts.profiles.rule, parts.shelf_view

    async def list_loras(command: LoraList, context: CommandContext) -> Outcome:
        return await view.list_page(command, context, may_use(context))

    async def describe_lora(command: LoraInfo, context: CommandContext) -> Outcome:
        return await view.describe(command, context, may_use(context))

    async def offer_lora(command: LoraOffer, _: CommandContext) -> Outcome:
        return LoraFileOffered(command.name)

    return {
        LoraList: list_loras,
        LoraInfo: describe_lora,
        LoraOffer: offer_lora,
        LoraAllow: parts.consents.allow,
        LoraRevoke: parts.consents.revoke,
    }


def _of_hosts(parts: DeskParts) -> dict[type[Command], Action]:
    return {
        ShowCard: partial(_show_card, parts),
        ShowStatus: parts.status.show,
        ShowQueue: parts.queue_view.show,
        Diagnose: partial(_diagnose, parts),
        ShowStatistics: parts.statistics.show,
        BanPerson: parts.bans.ban,
        UnbanPerson: parts.bans.unban,
        GrantCredits: parts.grants.grant,
        AllowAccess: parts.access.allow,
        DisallowAccess: parts.access.disallow,
        ListPeople: parts.oversight.list_people,
        ListHostActions: parts.oversight.list_actions,
        PauseDrawing: parts.pausing.pause,
        DrainQueue: parts.pausing.drain,
        ResumeDrawing: parts.pausing.resume,
    }


async def _cancel(parts: DeskParts, command: Cancel, context: CommandContext) -> Outcome:
    """Cancel a job; with a page, for the button of a host's queue, which then shows that page."""
    if command.page is None:
        return await parts.cancellation.cancel(command, context)
    page = ShowQueue(command.page)
    require_permission(page, context, parts.rules.now)
    require_private_chat(page, context)
    cancelled = await parts.cancellation.cancel(command, context)
    return replace(await parts.queue_view.show(page, context), cancelled=cancelled.job_id)


async def _show_priced(
    parts: DeskParts,
    show: Callable[[Any, CommandContext], Awaitable[RecipeShown | SettingsRead]],
    command: ShowRecipe | ReadSettings,
    context: CommandContext,
) -> Outcome:
    """Show a recipe with what it costs this person to draw it."""
    shown = await show(command, context)
    return replace(shown, price=await parts.acceptance.price_of(shown.code, context))


async def _read_balance(parts: DeskParts, _: Quota, context: CommandContext) -> Outcome:
    return await parts.history.read_balance(context)


async def _show_help(parts: DeskParts, command: Help, context: CommandContext) -> Outcome:
    if command.for_hosts or not parts.model.is_built_in:
        return command
    return HelpWithVocabulary(vocabulary(context.locale))


async def _show_card(parts: DeskParts, _: ShowCard, context: CommandContext) -> Outcome:
    report = await parts.report_card(context.locale, parts.queue.scheduler.waiting)
    default = await parts.defaults.of_chat(context, parts.profiles.rule(context))
    return replace(report, default_lora=default)


async def _diagnose(parts: DeskParts, command: Diagnose, context: CommandContext) -> Outcome:
    require_private_chat(command, context)  # it names folders
    return await parts.diagnose()
