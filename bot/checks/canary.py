"""Draws one small picture with the model of the settings, in a worker of its own."""

import asyncio
import time

from bot.checks.finding import Finding, Level
from engine.checkpoint.model import ModelInfo
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.host import Host
from engine.planner.machine import WorkerPlanner
from engine.request import Drawn, Event, Failed, Finished, RenderRequest

PICTURE_S = 120.0  # a processor without a card draws the built-in model's picture in a second
PROMPT = "a girl, dewy skin"


async def draw_canary(config: EngineConfig, model: ModelInfo) -> Finding:
    """Start a worker, draw a picture, end the worker; say how long that took, or what went wrong."""
    planner = await asyncio.to_thread(WorkerPlanner, model, config)
    host = Host(config, place=planner.place)
    drawn: list[Event] = []
    began_s = time.monotonic()
    try:
        await host.start()
        started_s = time.monotonic()
        async with asyncio.timeout(PICTURE_S):
            ended = await host.render(_request_for(model), drawn.append)
    except EngineError as error:
        return Finding(Level.WRONG, "picture", "canary_failed", {"error": error})
    except TimeoutError:
        return Finding(Level.WRONG, "picture", "canary_late", {"seconds": round(PICTURE_S)})
    finally:
        await host.close()
    if isinstance(ended, Finished) and any(isinstance(event, Drawn) for event in drawn):
        facts = {
            "start_s": round(started_s - began_s, 1),
            "picture_s": round(time.monotonic() - started_s, 1),
        }
        return Finding(Level.FINE, "picture", "canary", facts)
    reason = ended.reason if isinstance(ended, Failed) else ""
    return Finding(Level.WRONG, "picture", "canary_refused", {"reason": reason})


def _request_for(model: ModelInfo) -> RenderRequest:
    return RenderRequest(
        job_id="doctor",
        attempt=1,
        prompt=PROMPT,
        width_px=model.native_width_px,
        height_px=model.native_height_px,
        seed=7,
        steps=model.steps,
    )
