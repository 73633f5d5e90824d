"""Builds a desk: each group of parts after those that it needs, then the desk of all of them."""

import asyncio
from dataclasses import fields
from functools import partial
from typing import Any

from bot.desk.build.asking import build_asking
from bot.desk.build.drawing import build_drawing
from bot.desk.build.finding import build_finding
from bot.desk.build.hosting import build_hosting
from bot.desk.build.inputs import DeskInputs
from bot.desk.build.loras import build_shelf
from bot.desk.build.people import build_people
from bot.desk.desk import Desk
from bot.desk.dispatch import DeskParts, ReportCard
from bot.desk.iterating.offers import offers_of
from bot.desk.people.linking import AccountLinking
from bot.desk.results import OutboxDelivery
from engine.host.report import CardReport


def build_desk(inputs: DeskInputs) -> Desk:
    """Make the parts of a desk and connect them."""
    store, clock, report_card = inputs.store, inputs.clock, inputs.report_card or _report_memory(inputs)
    people = build_people(inputs)
    drawing = build_drawing(inputs, people)
    asking = build_asking(inputs, people, drawing)
    hosting = build_hosting(inputs, people, drawing, report_card)
    finding = build_finding(inputs, people, drawing, asking)
    shelf = build_shelf(inputs, people, drawing.loras, drawing.space, asking.defaults)
    delivery = OutboxDelivery(
        store=store,
        result_ready=drawing.result_ready,
        progress=drawing.progress,
        pictures_dir=inputs.pictures_dir,
        clock=clock,
        find_notes=asking.recipes.find_notes if inputs.model.is_built_in else None,
        offers_of=partial(offers_of, inputs.model),
    )
    return Desk(
        DeskParts(
            **_parts_in(people, drawing.loras, drawing, asking, shelf, hosting, finding),
            store=store,
            model=inputs.model,
            clock=clock,
            delivery=delivery,
            linking=AccountLinking(
                store=store, ledger=people.ledger, queue=drawing.queue, clock=clock, random=inputs.random
            ),
            report_card=report_card,
            diagnose=inputs.diagnose,
        )
    )


def _parts_in(*groups: Any) -> dict[str, Any]:
    """Return the parts of the desk that these groups have, by name; the others only serve to build them."""
    names = {field.name for field in fields(DeskParts)}
    return {
        field.name: getattr(group, field.name)
        for group in groups
        for field in fields(group)
        if field.name in names
    }


def _report_memory(inputs: DeskInputs) -> ReportCard:
    """Report what the probe alone tells."""

    async def report(locale: str | None, waiting: int) -> CardReport:
        memory = await asyncio.to_thread(inputs.probe.read)
        state = "loading" if inputs.is_loading() else "ready"
        return CardReport(device_name=memory.device_name, state=state, memory=memory, waiting=waiting)

    return report
