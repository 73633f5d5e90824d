"""Downloads the model of the settings and converts it to the number format that a start reads fastest.

It changes only ``models/`` in the data folder; a host may stop and repeat it at any time.
"""

import asyncio
import contextlib
import threading
import time

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bot.cli.screen import Screen
from bot.messages import N_, text
from bot.settings import Settings
from engine.checkpoint.contents import published_transformer
from engine.checkpoint.convert import convert
from engine.checkpoint.copies import CopyState, copy_folder, copy_state, parts_to_convert
from engine.checkpoint.download import downloaded_bytes
from engine.checkpoint.fetch import fetch_model
from engine.checkpoint.model import ModelInfo, download_folder, find_source
from engine.checkpoint.remote import list_remote
from engine.config import BUILT_IN, EngineConfig
from engine.errors import ModelNotConverted, ModelNotDownloaded
from engine.formatting import in_gib
from engine.planner.headroom import HeadroomProbe

LOOK_EVERY_S = 0.5  # at the bytes of a download


async def report(settings: Settings) -> int:
    """Fetch the model if it is missing, convert it if that saves time; return the exit code, 0.

    Raises:
        ModelError: The model is unavailable or incomplete, or the copy does not fit on the disk.
    """
    locale, config = settings.language, settings.to_engine_config()
    out = Screen()
    try:
        source = await asyncio.to_thread(find_source, config, download=False)
    except ModelNotDownloaded:
        await _download(out, config, locale)
        source = await asyncio.to_thread(find_source, config, download=False)
    complete = N_("The model {name} is complete: {path}")
    out.print_line(text(complete, locale, name=source.name, path=str(source.folder)))
    reason = await asyncio.to_thread(_reason_not_to_convert, config, source)
    if reason:
        out.print_line(text(reason, locale))
        return 0
    began_s = time.monotonic()
    folder = await _convert(out, source, config, text(N_("converting"), locale))
    converted = N_("Converted to bfloat16 in {seconds} s: {path}. Keep the original too.")
    out.print_line(text(converted, locale, seconds=f"{time.monotonic() - began_s:.0f}", path=folder))
    return 0


def benefits_from_conversion(config: EngineConfig, source: ModelInfo) -> bool:
    """Whether a conversion would shorten the start on this machine's card.

    Raises:
        BadHeader: The model's files were damaged meanwhile.
        OSError: The model's files cannot be read any more.
    """
    return not _reason_not_to_convert(config, source)


def _reason_not_to_convert(config: EngineConfig, source: ModelInfo) -> str:
    """Why a conversion is unnecessary; empty if it is useful."""
    if config.model == BUILT_IN:
        return N_("Nothing to convert: the built-in model can be used as it is.")
    is_published = published_transformer(source.folder) is not None  # is not loaded as it is
    if not is_published and not HeadroomProbe(config.device, config.reserve_bytes).read().is_card:
        return N_("Nothing to convert: without a card, pictures are drawn in float32.")
    if not parts_to_convert(source.folder):
        return N_("Nothing to convert: the card can use its weights as they are.")
    folder = copy_folder(config.data_dir, source.folder, source.name)
    if copy_state(folder, source.folder) is CopyState.CURRENT:
        return N_("Nothing to convert: the converted copy is up to date.")
    return ""


async def _download(out: Screen, config: EngineConfig, locale: str) -> None:
    """Download in a process of its own, with a progress bar of the bytes on the disk."""
    remote = await asyncio.to_thread(list_remote, config)
    folder, total_bytes = download_folder(config), remote.total_bytes
    about = {"name": config.model, "gib": in_gib(total_bytes)}
    out.print_line(text(N_("Downloading {name}: {gib} GiB. You may stop and go on later."), locale, **about))
    with _bar(out) as bar:
        task = bar.add_task(text(N_("downloading"), locale), total=total_bytes)
        fetching = asyncio.create_task(fetch_model(config, shows_progress=False), name="download model")
        try:
            while not (await asyncio.wait({fetching}, timeout=LOOK_EVERY_S))[0]:
                done_bytes = await asyncio.to_thread(downloaded_bytes, folder)
                _show_download(bar, task, done_bytes, total_bytes, locale)
            with contextlib.suppress(ModelNotConverted):  # it is converted next
                await fetching
        finally:
            fetching.cancel()
            await asyncio.wait({fetching})


def _show_download(bar: Progress, task: TaskID, done_bytes: int, total_bytes: int, locale: str) -> None:
    """Show the bytes; when all are there, their hashes are being compared."""
    label = N_("downloading") if done_bytes < total_bytes else N_("comparing the hashes")
    bar.update(task, completed=min(done_bytes, total_bytes), description=text(label, locale))


def _bar(out: Screen) -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress("{task.description}", *columns, console=out, transient=True)


async def _convert(out: Screen, source: ModelInfo, config: EngineConfig, label: str) -> str:
    """Convert in a thread with a progress bar; a cancelled thread stops at its next piece and cleans up."""
    is_stopped = threading.Event()
    with _bar(out) as bar:
        task = bar.add_task(label)

        def show_progress(done_bytes: int, total_bytes: int) -> None:
            if is_stopped.is_set():
                raise InterruptedError
            bar.update(task, completed=done_bytes, total=total_bytes)

        try:
            return str(await asyncio.to_thread(convert, source, config.data_dir, show_progress))
        except asyncio.CancelledError:
            is_stopped.set()
            raise
