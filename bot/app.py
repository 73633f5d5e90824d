"""Composes the application: opens every part in order, runs the parts, closes them in reverse.

Only this module knows all parts. It holds no state: after a crash, the desk finds everything again at the
next start.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from bot.card.report import CardReporter
from bot.card.statistics import draw_statistics
from bot.chats.contract import Chat
from bot.chats.supervisor import ChatSupervisor, keep_running
from bot.checks import checks
from bot.checks.running import SelfCheck
from bot.desk import maintenance
from bot.desk.alerts.canary import IdleCanary
from bot.desk.alerts.checkup import DatabaseCheckup
from bot.desk.alerts.watch import HealthWatch
from bot.desk.backups import NightlyBackups
from bot.desk.build import DeskInputs, build_desk
from bot.desk.desk import Desk
from bot.desk.dispatch import DeskParts
from bot.desk.drawing.loop import Renderer
from bot.desk.hosting.reloading import RECORD, SettingsReload
from bot.desk.retention.expiry import PictureExpiry
from bot.desk.retention.originals import OriginalsRetention
from bot.desk.shelf.folder import LiveFolder
from bot.downloads import Downloader, SiteName, public_sites
from bot.monitoring.monitor import CANARY_EVERY_S, Monitor, Snapshot
from bot.policy.rules import Rules
from bot.settings import Settings
from bot.settings.live import LiveSettings
from bot.store import Store, open_store
from bot.store.files.backup import BACKUPS
from engine.checkpoint.contents import weights_fingerprint
from engine.checkpoint.fetch import fetch_model
from engine.checkpoint.model import ModelInfo, lora_folders
from engine.checkpoint.prompt_tokens import load_prompt_tokens
from engine.host import Host
from engine.planner.calibration import Calibration
from engine.planner.costs.book import CostBook
from engine.planner.costs.file import read_costs
from engine.planner.headroom import HeadroomProbe
from engine.planner.machine import CardProbe, WorkerPlanner
from engine.planner.monitor import HeadroomMonitor
from engine.planner.replanner import Replanner, WorkerMemory
from engine.request import LoraChoice, LoraSource, WorkerInfo
from engine.shelf import MAX_FILE_BYTES, Shelf, read_shelf

log = structlog.get_logger("bot.app")

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
DATABASE = "sugarbot.db"
COSTS = "cost.json"
PICTURES = "pictures"
REVIEW_EVERY_S = 5.0  # reading the card takes a millisecond; a plan changes after a minute at the soonest
DRAIN_S = 15.0  # the rest of bot.cli.runner.STOP_S is for the worker, the chats and the database


@dataclass(frozen=True, slots=True)
class Application:
    """The open parts.

    Attributes:
        settings: Those of the start.
        live: Those that count now.
        worker: Ends when the worker process is ready; raises the error of a worker that cannot start.
    """

    settings: Settings
    live: LiveSettings
    store: Store
    model: ModelInfo
    shelf: Shelf
    desk: Desk
    host: Host
    headroom_monitor: HeadroomMonitor
    planner: WorkerPlanner
    costs: CostBook
    worker: asyncio.Task[WorkerInfo]


@dataclass(frozen=True, slots=True)
class _Engine:
    """What predicts, draws and measures, once the worker is being started."""

    costs: CostBook
    planner: WorkerPlanner
    host: Host
    probe: HeadroomProbe
    monitor: HeadroomMonitor
    worker: asyncio.Task[WorkerInfo]


@contextlib.asynccontextmanager
async def open_application(
    settings: Settings, *, wrap_renderer: Callable[[Host], Renderer] = lambda host: host
) -> AsyncIterator[Application]:
    """Open store, model, shelf and desk, and start the worker; close all of them in reverse.

    Args:
        settings: The host's settings.
        wrap_renderer: Wraps the engine for the desk, for example in a stopwatch.

    Raises:
        OperatorError: The host must repair the set-up; nothing stays open.
        ModelError: The host must repair the model; nothing stays open.
    """
    live = LiveSettings(settings)
    built: asyncio.Future[Desk] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(maintenance.make_private, settings.data_dir)
        store = await open_store(settings.data_dir / DATABASE, MIGRATIONS)
        stack.push_async_callback(store.close)
        await asyncio.to_thread(maintenance.remove_leftovers, settings.data_dir)
        model = await fetch_model(settings.to_engine_config())
        shelf = await asyncio.to_thread(_open_shelf, settings, model)
        engine = await _start_engine(settings, model, stack, built)
        host, monitor = engine.host, engine.monitor
        tokens = await asyncio.to_thread(load_prompt_tokens, model.folder)
        weights = await asyncio.to_thread(weights_fingerprint, model.folder)
        desk = build_desk(
            DeskInputs(
                store=store,
                renderer=wrap_renderer(host),
                shelf=shelf,
                stated=await store.consents.stated(),
                model=model,
                weights=weights,
                probe=engine.probe,
                costs=engine.costs,
                rules=Rules.from_settings(settings),
                pictures_dir=settings.data_dir / PICTURES,
                open_folder=partial(
                    LiveFolder,
                    folders=lora_folders(settings.to_engine_config(), model),
                    model=model,
                    weights=weights,
                    store=store,
                    verdicts=await store.verdicts.of(weights),
                ),
                cache_dir=settings.data_dir,
                downloader=_downloader(settings),
                clock=_now_ms,
                reserve_bytes=lambda: live.now.storage.reserve_bytes,
                default_lora=settings.engine.default_lora,
                is_loading=lambda: host.info is None,
                loading_s=host.loading_s,
                report_card=CardReporter(monitor, host, engine.planner).report,
                draw_statistics=draw_statistics,
                diagnose=_self_check(live, monitor, settings.data_dir, lambda: desk.parts).diagnose,
                measure=tokens.measure if tokens else None,
                locale=lambda: live.now.language,
                sends_alerts=lambda: live.now.alerts,
            )
        )
        await desk.parts.permissions.load()  # before the first command asks
        await desk.parts.pausing.load()
        await desk.parts.consents.load()
        built.set_result(desk)
        parts = (live, store, model, shelf, desk, host, monitor)
        yield Application(settings, *parts, engine.planner, engine.costs, engine.worker)


async def _start_engine(
    settings: Settings, model: ModelInfo, stack: contextlib.AsyncExitStack, desk: asyncio.Future[Desk]
) -> _Engine:
    """Open what the engine needs, and start the worker; ``stack`` closes them in reverse."""

    async def find_lora() -> tuple[tuple[LoraChoice, ...], tuple[LoraSource, ...]]:
        """Return a LoRA that everybody may use, once the desk is built."""
        return (await desk).find_lora_for_all()

    def waiting() -> int:
        """Return how many jobs wait; nobody asks before the desk is built."""
        return desk.result().queue_status().waiting

    config, costs_file = settings.to_engine_config(), settings.data_dir / COSTS
    subject = f"{model.name} on {config.device}"  # figures of another model or device do not count
    costs = await asyncio.to_thread(read_costs, costs_file, subject)
    stack.push_async_callback(maintenance.save_costs, costs, costs_file)
    card = CardProbe(config.device, config.reserve_bytes)
    planner = await asyncio.to_thread(WorkerPlanner, model, config, card)
    calibration = Calibration(costs, model, find_lora, card.read_driver)
    host = Host(config, place=planner.place, calibrate=calibration.run)
    stack.push_async_callback(host.close)
    worker = asyncio.create_task(host.start(), name="start worker")
    stack.push_async_callback(_cancel_and_wait, worker)
    probe = HeadroomProbe(config.device, config.reserve_bytes, host.held_bytes, host.device)
    monitor = HeadroomMonitor(probe, card.read_sensors, host.share, waiting)
    return _Engine(costs, planner, host, probe, monitor, worker)


def _self_check(
    live: LiveSettings, monitor: HeadroomMonitor, folder: Path, parts: Callable[[], DeskParts]
) -> SelfCheck:
    return SelfCheck(
        settings=lambda: live.now,
        hosts=lambda: parts().rules.now.hosts,
        allowed=lambda: parts().rules.now.allow,
        shelf=lambda: parts().files.shelf,
        headroom=lambda: monitor.latest,
        database=folder / DATABASE,
        backups=folder / BACKUPS,
        restart_record=folder / RECORD,
    )


def _downloader(settings: Settings) -> Downloader:
    tokens = {
        SiteName.HUB: (settings.huggingface.token, "huggingface.token"),
        SiteName.MODELSCOPE: (settings.modelscope.token, "modelscope.token"),
        SiteName.CIVITAI: (settings.civitai.token, "civitai.token"),
    }
    return Downloader(public_sites(tokens), limit_bytes=MAX_FILE_BYTES)


def _open_shelf(settings: Settings, model: ModelInfo) -> Shelf:
    """Read the LoRA files.

    Raises:
        NotStartable: The default LoRA is not among them.
    """
    shelf = read_shelf(lora_folders(settings.to_engine_config(), model), model)
    findings = checks.check_shelf(settings, shelf)
    # The live folder logs the refused files.
    checks.require((each for each in findings if each.code != "lora_refused"), settings.language)
    return shelf


def create_monitor(application: Application) -> Monitor:
    """Create the monitor of an open application."""

    def take_snapshot() -> Snapshot:
        """Return the state of the worker, the card and the queue at this moment."""
        host, readings = application.host, application.headroom_monitor
        queue, now_s = application.desk.queue_status(), asyncio.get_running_loop().time()
        return Snapshot(
            worker=host.state,
            worker_pid=host.info.pid if host.info else 0,
            worker_ends=host.ends.copy(),
            drawn_ago_s=None if host.drawn_s is None else now_s - host.drawn_s,
            read_ago_s=None if readings.read_s is None else now_s - readings.read_s,
            reading=readings.history[-1] if readings.history else None,
            waiting=queue.waiting,
            drawing=int(bool(queue.drawing)),
            is_closing=application.desk.is_closing,
            draws_canaries=not host.releases_idle_card,
            service=queue.service.mode,
        )

    return Monitor(take_snapshot, application.store.respond)


@contextlib.asynccontextmanager
async def serve_chats(
    application: Application, chats: Sequence[Chat], reload: SettingsReload | None = None
) -> AsyncIterator[ChatSupervisor]:
    """Run the desk, these chats and the background jobs while the block runs; then drain and close.

    All chats open at once. The block begins when each of them has been tried.

    Args:
        application: Its parts are open.
        chats: Those to open.
        reload: Watches the files of the settings meanwhile.

    Raises:
        OperatorError: The supervisor's rules end the application: the host must repair a chat.
        EngineError: The worker cannot start.
    """
    supervisor = ChatSupervisor(chats, lambda: application.live.now.language)
    async with contextlib.AsyncExitStack() as stack:
        for chat in chats:
            stack.push_async_callback(chat.close)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(application.desk.run({chat.platform: chat for chat in chats}), name="desk"),
                # A stop does not wait for the model: it ends a worker that still loads.
                group.create_task(_watch_worker(application), name="worker"),
            ]
            tasks += [
                group.create_task(supervisor.keep_open(chat), name=f"chat {chat.platform}") for chat in chats
            ]
            tasks += [
                group.create_task(keep_running(name, job), name=name)
                for name, job in _background_jobs(application, supervisor).items()
            ]
            if reload is not None:
                tasks.append(
                    group.create_task(keep_running("watch settings", reload.run), name="watch settings")
                )
            try:
                await supervisor.wait_until_tried()
                yield supervisor
            finally:
                await application.desk.drain(DRAIN_S)
                for task in tasks:
                    task.cancel()


def _background_jobs(
    application: Application, supervisor: ChatSupervisor
) -> dict[str, Callable[[], Awaitable[None]]]:
    settings, live = application.settings, application.live
    store, costs = application.store, application.costs
    checkup = DatabaseCheckup(store)
    health = HealthWatch(
        desk=application.desk,
        host=application.host,
        folder=settings.data_dir,
        backups=settings.data_dir / BACKUPS,
        reserve_bytes=lambda: live.now.storage.reserve_bytes,
        offline_s=supervisor.offline_s,
        faults=lambda: checkup.faults,
    )
    folder = settings.data_dir
    parts = application.desk.parts
    originals = OriginalsRetention(
        store=store,
        loose_files=parts.loose_files,
        space=parts.space,
        settings=lambda: live.now.storage,
        clock=_now_ms,
    )
    expiry = PictureExpiry(
        store=store,
        loose_files=parts.loose_files,
        space=parts.space,
        keep_days=lambda: live.now.storage.keep_pictures_days,
    )
    backups = NightlyBackups(
        folder / DATABASE,
        folder / BACKUPS,
        locale=lambda: live.now.language,
        reserve_bytes=lambda: live.now.storage.reserve_bytes,
    )
    canary = IdleCanary(
        desk=application.desk,
        host=application.host,
        trials=application.desk.parts.trials,
        every_s=CANARY_EVERY_S,
    )
    return {
        "draw canaries": canary.run,
        "check database": checkup.run,
        "watch headroom": application.headroom_monitor.run,
        "watch health": health.run,
        "watch LoRA folder": application.desk.parts.files.watch,
        "keep LoRA versions": application.desk.parts.versions.run,
        "review plan": lambda: _review_plan(application.host, Replanner(application.planner)),
        "save costs": lambda: maintenance.keep_costs(costs, folder / COSTS),
        "tidy": lambda: maintenance.tidy_daily(store, folder, expiry, _now_ms),
        "back up": backups.run,
        "replace originals": originals.run,
    }


async def _watch_worker(application: Application) -> None:
    info = await application.worker
    log.info("worker ready", device=info.device_name, model=info.model_name, load_s=round(info.load_s, 1))
    await application.host.watch()


async def _review_plan(host: Host, replanner: Replanner) -> None:
    """Move the model when memory is short or has come back, until cancelled."""
    while True:
        await asyncio.sleep(REVIEW_EVERY_S)
        if info := host.info:
            memory = WorkerMemory(host.held_bytes(), info.host_bytes, host.is_measured)
            if reason := await asyncio.to_thread(replanner.review, memory):
                host.move(reason)


async def _cancel_and_wait(task: asyncio.Task[WorkerInfo]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
