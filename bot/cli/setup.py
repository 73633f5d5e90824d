"""`sugarbot setup`: have the model here, whole, and in the number format that a start reads fastest.

It changes nothing but the data folder's ``models/``, and may be stopped and repeated at any time.
"""

import asyncio
import threading
import time

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from bot.cli.screen import Screen
from bot.messages import N_, text
from bot.settings import Settings
from engine.checkpoint.convert import convert
from engine.checkpoint.copies import CopyState, copy_folder, copy_state, parts_to_convert
from engine.checkpoint.fetch import fetch_model
from engine.checkpoint.model import ModelInfo, find_source
from engine.config import BUILT_IN, EngineConfig
from engine.planner.headroom import HeadroomProbe


async def report(settings: Settings) -> int:
    """Fetch the model where it is missing, convert it where that saves time; returns the exit code, 0.

    Raises:
        ModelError: It cannot be had, is not whole, or there is no room for the copy; the host must act.
    """
    locale, config = settings.language, settings.to_engine_config()
    out = Screen()
    await fetch_model(config)
    source = await asyncio.to_thread(find_source, config)
    out.say(
        text(N_("The model {name} is complete: {path}"), locale, name=source.name, path=str(source.folder))
    )
    reason = await asyncio.to_thread(_reason_against, config, source)
    if reason:
        out.say(text(reason, locale))
        return 0
    began_s = time.monotonic()
    folder = await _convert(out, source, config, text(N_("converting"), locale))
    out.say(
        text(
            N_("Converted to bfloat16 in {seconds} s: {path} – please keep the original, too."),
            locale,
            seconds=f"{time.monotonic() - began_s:.0f}",
            path=folder,
        )
    )
    return 0


def gains_by_copy(config: EngineConfig, source: ModelInfo) -> bool:
    """Whether a start on this machine's card would be shorter with a copy that is not there.

    Raises:
        BadHeader: The source broke since it was found; likewise OSError.
    """
    return not _reason_against(config, source)


def _reason_against(config: EngineConfig, source: ModelInfo) -> str:
    """Why there is nothing to convert; empty where there is."""
    if config.model == BUILT_IN:
        return N_("Nothing to convert: the built-in model is stored as it is used.")
    if not HeadroomProbe(config.device, config.reserve_bytes).read().is_card:
        return N_("Nothing to convert: without a card, pictures are drawn in float32.")
    if not parts_to_convert(source.folder):
        return N_("Nothing to convert: its weights are stored as the card uses them.")
    folder = copy_folder(config.data_dir, source.folder, source.name)
    if copy_state(folder, source.folder) is CopyState.CURRENT:
        return N_("Nothing to convert: the converted copy is there and up to date.")
    return ""


async def _convert(out: Screen, source: ModelInfo, config: EngineConfig, about: str) -> str:
    """Convert in a thread with a bar; when cancelled, the thread stops at its next piece and tidies up."""
    is_stopped = threading.Event()
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=out, transient=True) as bar:
        task = bar.add_task(about)

        def show(done_bytes: int, total_bytes: int) -> None:
            if is_stopped.is_set():
                raise InterruptedError
            bar.update(task, completed=done_bytes, total=total_bytes)

        try:
            return str(await asyncio.to_thread(convert, source, config.data_dir, show))
        except asyncio.CancelledError:
            is_stopped.set()
            raise
