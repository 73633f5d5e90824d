"""The application put together: open every room in order, keep them running, close them in reverse.

The only place where rooms meet. It holds no state of its own: what a crash interrupts here is found again
by the desk at the next start.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot import messages
from bot.chats.contract import Chat
from bot.checks import checks
from bot.desk import Desk, Renderer, maintenance
from bot.errors import OperatorError, PackageMissing, PlatformUnreachable
from bot.policy.rules import Rules
from bot.settings import Settings
from bot.store import Store, open_store
from engine.checkpoint.fetch import fetch_model
from engine.checkpoint.model import ModelInfo, built_in_lora_folder
from engine.checkpoint.prompt_tokens import load_prompt_tokens
from engine.host import Host
from engine.planner.cost import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.planner.monitor import HeadroomMonitor
from engine.request import WorkerInfo
from engine.scheduler import Scheduler
from engine.shelf import Shelf, read_shelf

log = structlog.get_logger("bot.app")

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
DATABASE = "sugarbot.db"
COSTS = "cost.json"
BACKUPS = "backups"
DRAIN_S = 15.0  # the rest of bot.cli.runner.STOP_S is for the worker, the chats and the database
UNREACHABLE_WAIT_S = (5.0, 15.0, 60.0, 300.0)  # between tries to reach a platform; the last one repeats


@dataclass(frozen=True, slots=True)
class Application:
    """The open rooms.

    Attributes:
        worker: Done once the worker process is ready; carries its error if it cannot be started.
    """

    settings: Settings
    store: Store
    model: ModelInfo
    shelf: Shelf
    desk: Desk
    host: Host
    headroom_monitor: HeadroomMonitor
    costs: CostBook
    worker: asyncio.Task[WorkerInfo]


@contextlib.asynccontextmanager
async def open_application(
    settings: Settings, *, renderer_of: Callable[[Host], Renderer] = lambda host: host
) -> AsyncIterator[Application]:
    """Open store, model, shelf and desk, start the worker behind them; close all in reverse.

    Args:
        settings: What the host wrote.
        renderer_of: Puts something between desk and engine, such as a stop-watch.

    Raises:
        OperatorError: The host must mend something; nothing was left open.
        ModelError: Likewise, the model.
    """
    config = settings.to_engine_config()
    async with contextlib.AsyncExitStack() as rooms:
        await asyncio.to_thread(maintenance.make_private, settings.data_dir)
        store = await open_store(settings.data_dir / DATABASE, MIGRATIONS)
        rooms.push_async_callback(store.close)
        await asyncio.to_thread(maintenance.remove_leftovers, settings.data_dir)
        model = await fetch_model(config)
        folders = [built_in_lora_folder(model), config.lora_dir]
        shelf = await asyncio.to_thread(read_shelf, folders, model)
        findings = checks.of_shelf(settings, shelf)
        unlogged = [
            finding for finding in findings if finding.code != "lora_refused"
        ]  # read_shelf logs those
        checks.require(unlogged, settings.language)
        about = f"{model.name} on {config.device}"  # figures of another model or device are not used
        costs = await asyncio.to_thread(CostBook.load, settings.data_dir / COSTS, about)
        rooms.push_async_callback(maintenance.save_costs, costs, settings.data_dir / COSTS)
        host = Host(config)
        rooms.push_async_callback(host.close)
        worker = asyncio.create_task(host.start(), name="start worker")
        rooms.push_async_callback(_cancelled, worker)
        probe = HeadroomProbe(config.device, config.reserve_bytes, host.held_bytes, host.device)
        tokens = await asyncio.to_thread(load_prompt_tokens, model.folder)
        desk = Desk(
            store=store,
            renderer=renderer_of(host),
            shelf=shelf,
            model=model,
            scheduler=Scheduler(),
            probe=probe,
            costs=costs,
            rules=Rules.from_settings(settings),
            pictures_dir=settings.data_dir / "pictures",
            clock=_now_ms,
            reserve_bytes=settings.storage.reserve_bytes,
            default_lora=settings.engine.default_lora,
            is_loading=lambda: host.info is None,
            measure=tokens.measure if tokens else None,
        )
        yield Application(settings, store, model, shelf, desk, host, HeadroomMonitor(probe), costs, worker)


@contextlib.asynccontextmanager
async def serve_chats(house: Application, chats: Sequence[Chat]) -> AsyncIterator[Sequence["ChatSupervisor"]]:
    """Open these chats, all at once, and run them and the desk while the block runs; then drain and close.

    The block begins when each was tried. A chat that fails, or whose platform cannot be reached, is tried
    again beside the others, and so is one that only the host can bring back, unless it was the last.

    Raises:
        OperatorError: A token that is refused or a port that is taken at the start, or the last chat is lost:
            only the host can mend it.
        EngineError: The worker cannot be started.
    """
    locale = house.settings.language
    async with contextlib.AsyncExitStack() as open_chats:
        keeping = [ChatSupervisor(chat, locale) for chat in chats]
        for chat in chats:
            open_chats.push_async_callback(chat.close)
        async with asyncio.TaskGroup() as group:
            desk = house.desk.run({chat.platform: chat for chat in chats})
            work = [group.create_task(desk, name="desk")]
            for kept in keeping:
                serving = kept.run(keeping)
                work.append(group.create_task(serving, name=f"chat {kept.chat.platform}"))
            data_dir = house.settings.data_dir
            keep_days = house.settings.storage.keep_pictures_days
            beside: dict[str, Callable[[], Awaitable[None]]] = {
                "headroom_monitor": house.headroom_monitor.run,
                "keep costs": lambda: maintenance.keep_costs(house.costs, data_dir / COSTS),
                "tidy": lambda: maintenance.tidy_daily(house.store, data_dir, keep_days, _now_ms),
                "back up": lambda: maintenance.back_up_daily(data_dir / DATABASE, data_dir / BACKUPS, locale),
            }
            for name, job in beside.items():
                work.append(group.create_task(kept_running(name, job), name=name))
            # A stop does not wait for the model: a worker that still loads is ended.
            work.append(group.create_task(_started(house), name="worker started"))
            try:
                for kept in keeping:
                    await kept.tried.wait()
                yield keeping
            finally:
                await house.desk.drain(DRAIN_S)
                for task in work:
                    task.cancel()


async def kept_running(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """Run a background job until cancelled; one that fails is logged and restarted with a back-off."""
    failures = 0
    while True:
        began_s = time.monotonic()
        try:
            await job()
            return
        except Exception:
            log.exception("background job failed", job=name)
        wait_s = UNREACHABLE_WAIT_S[min(failures, len(UNREACHABLE_WAIT_S) - 1)]
        failures = failures + 1 if time.monotonic() - began_s < UNREACHABLE_WAIT_S[-1] else 0
        await asyncio.sleep(wait_s)


class ChatSupervisor:
    """Keeps one chat open: opens it, lets it serve, and restarts it with a back-off when it fails.

    A failure that is no error of the host's ends this chat alone and is logged with its traceback.

    Attributes:
        chat: The chat.
        tried: Set once the first opening has succeeded or failed.
        is_open: It takes messages.
        is_lost: Only the host can bring it back.
    """

    def __init__(self, chat: Chat, locale: str) -> None:
        self.chat = chat
        self.tried = asyncio.Event()
        self.is_open = False
        self.is_lost = False
        self._locale = locale

    async def run(self, beside: Sequence["ChatSupervisor"]) -> None:
        """Keep it open until cancelled.

        Raises:
            OperatorError: It was refused at its first opening, or later when no other chat is left. A package
                that is not installed ends this chat alone while another is left.
        """
        failures = 0
        while True:
            try:
                await self._open()
                log.info("chat open", platform=self.chat.platform)
                failures, self.is_lost, self.is_open = 0, False, True
                self.tried.set()
                await self.chat.serve()
            except PlatformUnreachable as error:
                log.warning("chat unreachable", platform=self.chat.platform, why=self._why(error))
            except OperatorError as error:
                self.is_lost = True
                is_refused = not self.tried.is_set() and not isinstance(error, PackageMissing)
                if is_refused or all(kept.is_lost for kept in beside):
                    raise
                log.error("chat lost", platform=self.chat.platform, why=self._why(error))
                failures = len(UNREACHABLE_WAIT_S)
            except Exception:
                log.exception("chat failed", platform=self.chat.platform)
            self.is_open = False
            self.tried.set()
            await asyncio.sleep(UNREACHABLE_WAIT_S[min(failures, len(UNREACHABLE_WAIT_S) - 1)])
            failures += 1

    async def _open(self) -> None:
        try:
            await self.chat.open()
        except ModuleNotFoundError as error:
            raise PackageMissing(platform=self.chat.platform, package=error.name) from error

    def _why(self, error: OperatorError) -> str:
        return messages.explain(error, self._locale)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _started(house: Application) -> None:
    info = await house.worker
    house.costs.started(info)
    log.info("worker ready", device=info.device_name, model=info.model_name, load_s=round(info.load_s, 1))
    await house.host.watch()


async def _cancelled(task: asyncio.Task[WorkerInfo]) -> None:
    task.cancel()
    await asyncio.wait([task])
