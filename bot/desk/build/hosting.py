"""Builds what hosts and newcomers use: views of the bot, rights, credits, alerts."""

from dataclasses import dataclass
from functools import partial

from bot.desk.alerts.alerts import HostAlerts
from bot.desk.build.drawing import DrawingParts
from bot.desk.build.inputs import DeskInputs
from bot.desk.build.people import PeopleParts
from bot.desk.cancellation import JobCancellation
from bot.desk.dispatch import ReportCard
from bot.desk.hosting.access import Access
from bot.desk.hosting.bans import Bans
from bot.desk.hosting.grants import Grants
from bot.desk.hosting.queue import QueueView
from bot.desk.hosting.statistics import RefusalCounts, StatisticsView
from bot.desk.hosting.status import StatusView
from bot.desk.people.claiming import HostClaim
from bot.desk.people.gifts import Gifts
from bot.desk.people.oversight import Oversight


@dataclass(frozen=True, slots=True)
class HostingParts:
    """What hosts and newcomers use."""

    alerts: HostAlerts
    status: StatusView
    queue_view: QueueView
    cancellation: JobCancellation
    bans: Bans
    grants: Grants
    gifts: Gifts
    refusals: RefusalCounts
    statistics: StatisticsView
    oversight: Oversight
    access: Access
    claiming: HostClaim


def build_hosting(
    inputs: DeskInputs, people: PeopleParts, drawing: DrawingParts, report_card: ReportCard
) -> HostingParts:
    """Make these parts."""
    store, clock, rules, audit = inputs.store, inputs.clock, people.rules, people.audit
    queue, pausing = drawing.queue, drawing.pausing
    cancellation = JobCancellation(
        store=store,
        completion=drawing.completion,
        rules=rules,
        audit=audit,
        stop_drawing=drawing.drawing.stop,
    )
    refusals = RefusalCounts(store, clock)

    def running() -> str:
        """Return the job on the card; empty for none."""
        return drawing.drawing.running[0]

    return HostingParts(
        alerts=HostAlerts(
            store=store,
            hosts=lambda: rules.now.hosts,
            locale=inputs.locale,
            is_enabled=inputs.sends_alerts,
            clock=clock,
        ),
        status=StatusView(
            store=store,
            queue=queue,
            pausing=pausing,
            model=inputs.model,
            report_card=partial(report_card, None),
            running=running,
        ),
        queue_view=QueueView(store=store, queue=queue, pausing=pausing, running=running, clock=clock),
        cancellation=cancellation,
        bans=Bans(
            store=store,
            rules=rules,
            permissions=people.permissions,
            subjects=people.subjects,
            cancellation=cancellation,
            audit=audit,
            clock=clock,
        ),
        gifts=Gifts(store=store, ledger=people.ledger, clock=clock),
        grants=Grants(store=store, ledger=people.ledger, subjects=people.subjects, audit=audit, clock=clock),
        refusals=refusals,
        statistics=StatisticsView(store=store, refusals=refusals, draw=inputs.draw_statistics, clock=clock),
        oversight=Oversight(store=store, rules=rules, tiers=people.tiers, clock=clock),
        access=Access(store=store, rules=rules, permissions=people.permissions, audit=audit),
        claiming=HostClaim(
            store=store,
            permissions=people.permissions,
            rules=rules,
            data_dir=inputs.cache_dir,
            clock=clock,
        ),
    )
