"""Builds what draws jobs: the queue, the drawing, and the ends of jobs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.desk.build.inputs import DeskInputs
from bot.desk.build.loras import LoraParts, build_loras
from bot.desk.build.people import PeopleParts
from bot.desk.drawing.loop import Drawing
from bot.desk.files import LooseFiles, PictureSpace
from bot.desk.hosting.pausing import Pausing
from bot.desk.iterating.sources import StartPictures
from bot.desk.loras.consent import ConsentLedger
from bot.desk.queue import JobQueue, ProgressPublisher, PromisedWaits
from bot.desk.results import JobCompletion
from bot.outcomes import Platform
from engine.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class DrawingParts:
    """What draws jobs, and what it draws them with."""

    loras: LoraParts
    consents: ConsentLedger
    queue: JobQueue
    pausing: Pausing
    progress: ProgressPublisher
    result_ready: Mapping[Platform, asyncio.Event]
    loose_files: LooseFiles
    completion: JobCompletion
    space: PictureSpace
    sources: StartPictures
    drawing: Drawing


def build_drawing(inputs: DeskInputs, people: PeopleParts) -> DrawingParts:
    """Make these parts. The drawing is made last; what stops it or asks what it draws gets it by name."""
    store, clock = inputs.store, inputs.clock
    space, waits = PictureSpace(inputs.pictures_dir, inputs.reserve_bytes), PromisedWaits()
    loras = build_loras(inputs, space, lambda: drawing.unfinished)
    queue = JobQueue(
        Scheduler(),
        inputs.costs,
        weights=people.tiers.weights,
        waits=waits,
        is_loading=inputs.is_loading,
        loading_s=inputs.loading_s,
        prefetch=loras.renderer.prefetch,
        extra_bytes=loras.shelf.extra_bytes,
    )
    progress = ProgressPublisher(store=store, queue=queue)
    result_ready = {platform: asyncio.Event() for platform in Platform}
    loose_files = LooseFiles(store, inputs.pictures_dir)
    completion = JobCompletion(
        store=store,
        ledger=people.ledger,
        queue=queue,
        loose_files=loose_files,
        result_ready=result_ready,
        clock=clock,
    )
    consents = ConsentLedger(
        store=store,
        shelf=loras.shelf,
        completion=completion,
        rules=people.rules,
        stop_drawing=lambda job_id: drawing.stop(job_id),
        withdraw=loras.withdraw,
        clock=clock,
    )
    sources = StartPictures(store, inputs.pictures_dir)
    drawing = Drawing(
        store=store,
        renderer=inputs.renderer,
        lora_renderer=loras.renderer,
        queue=queue,
        completion=completion,
        progress=progress,
        probe=inputs.probe,
        costs=inputs.costs,
        space=space,
        may_draw=consents.may_draw,
        read_start=sources.read,
        waits=waits,
        clock=clock,
    )
    return DrawingParts(
        loras=loras,
        consents=consents,
        queue=queue,
        pausing=Pausing(store=store, queue=queue, audit=people.audit, clock=clock),
        progress=progress,
        result_ready=result_ready,
        loose_files=loose_files,
        completion=completion,
        space=space,
        sources=sources,
        drawing=drawing,
    )
