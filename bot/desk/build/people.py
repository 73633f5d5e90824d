"""Builds what the desk knows of people: tiers, credits, rights, and the record of hosts."""

from dataclasses import dataclass

from bot.desk.build.inputs import DeskInputs
from bot.desk.hosting.audit import HostAudit
from bot.desk.hosting.permissions import Permissions
from bot.desk.hosting.subjects import Subjects
from bot.desk.people.access import JobAccess
from bot.desk.people.ledger import Ledger, TierMembership
from bot.policy.live import LiveRules


@dataclass(frozen=True, slots=True)
class PeopleParts:
    """What other parts ask about people."""

    rules: LiveRules
    tiers: TierMembership
    ledger: Ledger
    audit: HostAudit
    permissions: Permissions
    job_access: JobAccess
    subjects: Subjects


def build_people(inputs: DeskInputs) -> PeopleParts:
    """Make these parts; they need no others."""
    store, clock, rules = inputs.store, inputs.clock, LiveRules(inputs.rules)
    tiers = TierMembership(store=store, rules=rules, clock=clock)
    audit = HostAudit(store, clock)
    return PeopleParts(
        rules=rules,
        tiers=tiers,
        ledger=Ledger(store=store, tiers=tiers, clock=clock),
        audit=audit,
        permissions=Permissions(store=store, rules=rules, tiers=tiers, audit=audit, clock=clock),
        job_access=JobAccess(store=store, rules=rules),
        subjects=Subjects(store),
    )
