"""``sugarbot run``, ``demo`` and ``say``: which chats open, and when the application closes.

Each command takes the settings and returns the exit code; errors that the host can act on pass through.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.app import (
    DATABASE,
    Application,
    create_monitor,
    open_application,
    serve_chats,
)
from bot.chats.console import ConsoleChat
from bot.chats.contract import Chat
from bot.chats.web import CardPanel, OperatorSources, WebChat
from bot.checks import checks
from bot.checks.folders import require_writable
from bot.cli.setup.claim import claim_instruction, has_chat
from bot.commands.grammar import parse
from bot.commands.values import Draw, LoraSwitch
from bot.desk.hosting.reloading import RECORD, SettingsReload
from bot.desk.shelf.trials import TRIAL_S
from bot.errors import NotUnderstood
from bot.languages import is_chinese
from bot.messages import N_, text
from bot.monitoring.service_manager import ServiceManager
from bot.settings import Settings, SettingsFiles
from engine.config import BUILT_IN
from engine.errors import EngineError
from engine.host import Host
from engine.request import (
    Event,
    Failed,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
    Timings,
    WorkerInfo,
)
from engine.request import (
    Progress as Step,
)

FIRST_MESSAGE = {
    "en": "/sugar a girl, dewy skin, peach blush, nude lip glaze, upturned eyes --lora sugar --seed 7",
    "zh-CN": "/sugar Sugar面部，清透水光肌，微醺蜜桃腮红，薄涂裸粉唇釉，眼尾轻挑带慵懒笑意，细碎睫毛轻颤"
    " --lora sugar --seed 7",
}

stderr = Console(stderr=True, highlight=False)


async def run(settings: Settings, files: SettingsFiles, *, must_sync: bool = False) -> int:
    """Serve every chat that is set up, until cancelled.

    Args:
        settings: The host's settings.
        files: Were looked at before the settings were read; they are read again when they change.
        must_sync: Declare the commands to Discord even if they have not changed.

    Raises:
        NotStartable: The set-up has a fault, which ``sugarbot doctor`` shows.
    """
    await asyncio.to_thread(_check_set_up, settings)
    async with open_application(settings) as application:
        if has_chat(settings) and not application.desk.parts.rules.now.hosts:
            instruction = await asyncio.to_thread(claim_instruction, settings, is_new=False)
            stderr.print(instruction, markup=False, soft_wrap=True)
        chats, reload = _create_chats(application, must_sync=must_sync), _create_reload(application, files)
        async with serve_chats(application, chats, reload) as supervisor:
            _reload_on_signal(reload)
            for chat in chats:
                if isinstance(chat, WebChat) and supervisor.is_open(chat):
                    _print_address(settings.language, chat)
            await _serve_until_stopped(application)
    raise AssertionError  # only a cancellation ends the wait


async def say(settings: Settings, message: str, *, user_name: str, is_host: bool, out_dir: Path) -> int:
    """Send one message to the bot; return 0 if it was answered, 1 if it was refused or its job failed.

    Raises:
        OSError: ``out_dir`` is not writable; nothing was accepted.
    """
    await asyncio.to_thread(require_writable, out_dir)
    async with open_application(settings) as application:
        console = ConsoleChat(application.desk, out_dir=out_dir, locale=settings.language)
        async with serve_chats(application, [console]):
            await _try_out_named(application, message, settings.engine.default_lora)
            answer = await console.say(message, user_name=user_name, is_host=is_host)
    return answer.exit_code


async def _try_out_named(application: Application, message: str, default: str) -> None:
    """Draw the trial pictures of new LoRAs that a message needs: this process has no later moment for it."""
    parts = application.desk.parts
    names = [default]
    with contextlib.suppress(NotUnderstood):
        match parse(message):
            case Draw(loras=loras):
                names += [wish.name for wish in loras]
            case LoraSwitch(lora=wish):
                names.append(wish.name)
    for name in filter(None, names):
        if (file := parts.shelf.find_checking(name)) is not None:
            with contextlib.suppress(EngineError, TimeoutError):  # the answer shows it
                async with asyncio.timeout(TRIAL_S):
                    await parts.files.try_out(file)


async def demo(settings: Settings) -> int:
    """Draw a first picture with the built-in model, print the time of each stage, then serve the page."""
    built_in = settings.engine.model_copy(update={"model": BUILT_IN, "device": "cpu", "default_lora": ""})
    settings = settings.model_copy(update={"engine": built_in})
    timed = TimedRenderer()
    await asyncio.to_thread(require_writable, Path("out"))
    async with open_application(settings, wrap_renderer=timed.wrap) as application:
        console = ConsoleChat(application.desk, out_dir=Path("out"), locale=settings.language)
        page = _create_web_chat(application)
        async with serve_chats(application, [console, page]):
            info = await _wait_for_worker(application)
            first = FIRST_MESSAGE["zh-CN" if is_chinese(settings.language) else "en"]
            answer = await console.say(first, user_name="a member", is_host=False)
            if answer.exit_code:
                return answer.exit_code
            _print_stages(settings.language, info.load_s, timed)
            _print_address(settings.language, page)
            _exempt_from_collection()
            await asyncio.Event().wait()
    raise AssertionError  # only a cancellation ends the wait


class TimedRenderer:
    """Wraps a renderer and keeps the timings of the last finished job."""

    def __init__(self) -> None:
        self.timings = Timings()
        self.whole_s = 0.0
        self._host: Host | None = None

    def wrap(self, host: Host) -> "TimedRenderer":
        """Pass all calls to this host."""
        self._host = host
        return self

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """See ``Host.render``."""
        assert self._host is not None  # noqa: S101 - ``wrap`` comes first
        began_s = time.perf_counter()

        def note_first_step(event: Event) -> None:
            nonlocal began_s
            if isinstance(event, Step) and (event.index, event.step) == (0, 0):
                began_s = time.perf_counter()  # before that, it waited behind another job
            listen(event)

        end = await self._host.render(request, note_first_step)
        if isinstance(end, Finished):
            self.timings, self.whole_s = end.timings, time.perf_counter() - began_s
        return end

    def cancel(self, job_id: str) -> None:
        """See ``Host.cancel``."""
        assert self._host is not None  # noqa: S101 - ``wrap`` comes first
        self._host.cancel(job_id)

    def prefetch(self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...] = ()) -> None:
        """See ``Host.prefetch``."""
        assert self._host is not None  # noqa: S101 - ``wrap`` comes first
        self._host.prefetch(loras, files)

    def withdraw(self, sha256: frozenset[str]) -> None:
        """See ``Host.withdraw``."""
        assert self._host is not None  # noqa: S101 - ``wrap`` comes first
        self._host.withdraw(sha256)


async def _serve_until_stopped(application: Application) -> None:
    """Keep the service manager informed, until cancelled."""
    _exempt_from_collection()
    manager, monitor = ServiceManager(os.environ), create_monitor(application)

    def status() -> str:
        return f"{application.host.state}, {application.desk.queue_status().waiting} jobs wait"

    manager.notify(READY="1", STATUS=status())
    try:
        await manager.keep_watchdog(monitor.is_alive, status)
        await asyncio.Event().wait()
    finally:
        manager.notify(STOPPING="1")


def _exempt_from_collection() -> None:
    """Let the garbage collector pass over what a start has made, which lives as long as the process.

    Python collects the oldest garbage when it may be a quarter of all objects. Counted with the modules that
    is tens of MiB, for hours, and then a pause of a quarter of a second.
    """
    gc.collect()
    gc.freeze()


def _create_reload(application: Application, files: SettingsFiles) -> SettingsReload:
    """Create what reads the settings of an open application again."""
    return SettingsReload(
        live=application.live,
        files=files,
        use_rules=application.desk.parts.permissions.use_settings,
        record=application.settings.data_dir / RECORD,
    )


def _reload_on_signal(reload: SettingsReload) -> None:
    """Read the settings again at SIGHUP; on a terminal it keeps its meaning, that the terminal is gone."""
    loop = asyncio.get_running_loop()
    if not sys.stdin.isatty():
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload.ask))


def _check_set_up(settings: Settings) -> None:
    findings = checks.check_start(settings, os.environ, settings.data_dir / DATABASE)
    checks.require(findings, settings.language)


def _create_chats(application: Application, *, must_sync: bool) -> list[Chat]:
    settings = application.settings
    chats: list[Chat] = []
    if settings.discord.token.get_secret_value():
        chats.append(_create_discord_chat(application, must_sync=must_sync))
    if settings.telegram.token.get_secret_value():
        chats.append(_create_telegram_chat(application))
    if settings.web.enabled:
        chats.append(_create_web_chat(application))
    return chats


def _create_discord_chat(application: Application, *, must_sync: bool) -> Chat:
    from bot.chats.discord_ import DiscordChat, DiscordConfig  # noqa: PLC0415 - discord.py takes 0.5 s

    discord = application.settings.discord
    config = DiscordConfig(
        token=discord.token,
        menu_file=application.settings.data_dir / "discord-menu.sha256",
        identifies_file=application.settings.data_dir / "discord-starts.json",
        api_base=discord.api_base,
        gateway=discord.gateway,
        proxy=discord.proxy,
        must_sync=must_sync,
    )
    return DiscordChat(config, application.desk)


def _create_telegram_chat(application: Application) -> Chat:
    from bot.chats.telegram_ import TelegramChat, TelegramConfig  # noqa: PLC0415 - it takes 0.4 s

    telegram = application.settings.telegram
    config = TelegramConfig(
        token=telegram.token.get_secret_value(),
        base_url=telegram.base_url,
        base_file_url=telegram.base_file_url,
        proxy=telegram.proxy,
    )
    return TelegramChat(config, application.desk)


def _create_web_chat(application: Application) -> WebChat:
    web = application.settings.web
    return WebChat(
        application.desk,
        card=lambda: _read_card(application),
        monitor=create_monitor(application),
        password=lambda: application.live.now.web.operator_password,
        sources=OperatorSources(
            readings=application.headroom_monitor.readings,
            worker_errors=lambda: tuple(application.host.errors),
        ),
        host=web.host,
        port=web.port,
    )


def _read_card(application: Application) -> CardPanel:
    headroom, queue_status = application.headroom_monitor.latest, application.desk.queue_status()
    info = application.host.info
    return CardPanel(
        name=info.device_name if info else headroom.device_name,
        used_bytes=headroom.used_bytes,
        free_bytes=headroom.free_bytes,
        total_bytes=headroom.total_bytes,
        waiting=queue_status.waiting,
        drawing=queue_status.drawing,
        step=queue_status.step,
        steps=queue_status.steps,
        default_lora=queue_status.default_lora,
        service=queue_status.service,
        is_card=headroom.is_card,
    )


async def _wait_for_worker(application: Application) -> WorkerInfo:
    """Wait for the worker, with a progress bar on a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
    )
    with bar:
        bar.add_task(
            text(N_("Loading the model {name}"), application.settings.language, name=application.model.name),
            total=None,
        )
        return await application.worker


def _print_stages(locale: str, load_s: float, timed: TimedRenderer) -> None:
    timings = timed.timings
    table = Table(text(N_("stage"), locale), text(N_("seconds"), locale))
    for name, seconds in (
        (N_("load the model"), load_s),
        (N_("load the LoRA"), timings.lora_s),
        (N_("read the prompt"), timings.text_s),
        (N_("denoise"), timings.denoise_s),
        (N_("decode"), timings.decode_s),
        (N_("add metadata and encode"), timings.encode_s),
        (N_("the picture, end to end"), timed.whole_s),
    ):
        table.add_row(text(name, locale), f"{seconds:.2f}")
    stderr.print(table)


def _print_address(locale: str, page: WebChat) -> None:
    stderr.print(
        text(N_("The page is open at {url}. Press Ctrl-C to stop."), locale, url=page.url), markup=False
    )
