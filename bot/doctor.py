"""What ``sugarbot doctor`` and ``lora`` say: what is set up, what is wrong with it, what to do.

Nothing is changed and no platform is asked; what a check does not cover, the report says.
"""

import asyncio
import os
import shutil
import socket
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.database import problems_of
from bot.errors import DatabaseInUse, OperatorError, PortTaken
from bot.house import DATABASE, MIGRATIONS
from bot.settings import Settings
from bot.setup import gains_by_copy
from bot.store import open_store
from bot.words import N_, explain, text
from engine.errors import ModelError
from engine.headroom import HeadroomProbe
from engine.model import ModelInfo, built_in_lora_folder, find_model
from engine.shelf import Shelf, read_shelf

LOW_DISK_BYTES = 2 * 2**30  # about two thousand pictures at 1 MB each


class State(StrEnum):
    """What a finding is: fine, worth knowing, or to be mended before the bot works."""

    FINE = "✓"
    NOTE = "–"
    WRONG = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, and one sentence."""

    state: State
    about: str
    sentence: str


async def report(settings: Settings) -> int:
    """Print every finding; 1 if one of them must be mended, else 0."""
    locale = settings.language
    findings = [
        *_folder(settings),
        *await _database(settings),
        *await asyncio.to_thread(lambda: list(_engine(settings))),
        *_chats(settings),
    ]
    table = Table(show_header=False, box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.state, text(finding.about, locale), finding.sentence)
    out = Console(highlight=False, markup=False)
    out.print(table)
    out.print(
        text(
            N_(
                "Not checked: whether the platforms accept the tokens, what the bot may do in each channel, "
                "and whether the card draws. `sugarbot say` tries the card."
            ),
            locale,
        )
    )
    return int(any(finding.state is State.WRONG for finding in findings))


async def shelf(settings: Settings) -> int:
    """Print the LoRAs and the refused files; 1 if any file was refused."""
    locale = settings.language
    found = await asyncio.to_thread(_read_shelf, settings, find_model(settings.to_engine_config()))
    table = Table(
        N_("LoRA"),
        text(N_("title"), locale),
        text(N_("trigger"), locale),
        text(N_("rank"), locale),
        "MiB",
        "sha256",
    )
    for file in found.files.values():
        title = file.titles.get(locale, "")
        table.add_row(
            file.name, title, file.trigger, str(file.rank), f"{file.bytes / 2**20:.1f}", file.sha256[:12]
        )
    out = Console(highlight=False, markup=False)
    out.print(table)
    for refused in found.rejected:
        out.print(f"{State.WRONG} {refused.name}: {explain(refused.error, locale)}")
    return int(bool(found.rejected))


def _folder(settings: Settings) -> Iterator[Finding]:
    about, locale, folder = N_("data folder"), settings.language, settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
        (folder / ".doctor").touch()
        (folder / ".doctor").unlink()
    except OSError as error:
        sentence = text(N_("{path} can't be written: {detail}."), locale, path=str(folder), detail=str(error))
        yield Finding(State.WRONG, about, sentence)
        return
    state = State.FINE if free_bytes >= LOW_DISK_BYTES else State.NOTE
    gib = f"{free_bytes / 2**30:.0f}"
    yield Finding(state, about, text(N_("{path}, {gib} GiB free"), locale, path=str(folder), gib=gib))


async def _database(settings: Settings) -> list[Finding]:
    about, locale, path = N_("database"), settings.language, settings.data_dir / DATABASE
    if not path.exists():
        return [Finding(State.NOTE, about, text(N_("none yet; the first start makes it"), locale))]
    try:
        store = await open_store(path, MIGRATIONS)
    except DatabaseInUse:
        return [Finding(State.FINE, about, text(N_("in use by a running Sugarbot"), locale))]
    except OperatorError as error:
        return [Finding(State.WRONG, about, explain(error, locale))]
    try:
        survey = await store.survey()
    finally:
        await store.close()
    wrong = [Finding(State.WRONG, about, problem) for problem in problems_of(survey, locale)]
    return wrong or [
        Finding(State.FINE, about, text(N_("sound, schema {schema}"), locale, schema=survey.schema))
    ]


def _engine(settings: Settings) -> Iterator[Finding]:
    locale, config = settings.language, settings.to_engine_config()
    headroom = HeadroomProbe(config.device, config.reserve_bytes).read()
    memory = text(
        N_("{name}, {free} of {total} GiB free ({detail})"),
        locale,
        name=headroom.device_name,
        free=f"{headroom.free_bytes / 2**30:.1f}",
        total=f"{headroom.total_bytes / 2**30:.1f}",
        detail=headroom.reason,
    )
    yield Finding(State.FINE, N_("card"), memory)
    if headroom.is_card and find_spec("triton"):
        for lack in _lacks_of_triton():
            yield Finding(State.NOTE, N_("card"), text(lack, locale))
    try:
        model = find_model(config)
    except ModelError as error:
        yield Finding(State.WRONG, N_("model"), explain(error, locale))
        return
    native = f"{model.native_width_px} × {model.native_height_px}"
    yield Finding(State.FINE, N_("model"), f"{model.name}, {native}")
    if model.origin is not None:
        yield Finding(State.FINE, N_("model"), text(N_("converted: {path}"), locale, path=str(model.folder)))
    elif gains_by_copy(config, model):
        sentence = text(
            N_("`sugarbot setup` would convert its weights, so that each start is faster"), locale
        )
        yield Finding(State.NOTE, N_("model"), sentence)
    found = _read_shelf(settings, model)
    names = ", ".join(found.files) or text(N_("empty"), locale)
    yield Finding(State.FINE if found.files else State.NOTE, N_("shelf"), names)
    for refused in found.rejected:
        yield Finding(State.WRONG, N_("shelf"), f"{refused.name}: {explain(refused.error, locale)}")
    default = settings.engine.default_lora
    if default and default not in found.files:
        sentence = text(N_("engine.default_lora is {name}, which is not on the shelf"), locale, name=default)
        yield Finding(State.WRONG, N_("shelf"), sentence)


def _lacks_of_triton() -> Iterator[str]:
    """What Triton builds the card's kernels with and does not find; it looks in the same places."""
    named = os.environ.get("CC")
    if not any(map(shutil.which, ("gcc", "clang") if named is None else (named,))):
        yield N_("no C compiler: install gcc or clang, or name one in CC; until then pictures take longer")
    if not Path(sysconfig.get_paths(scheme="posix_prefix")["include"], "Python.h").is_file():
        yield N_("no Python.h: install python3-dev (Fedora: python3-devel); until then pictures take longer")


def _chats(settings: Settings) -> Iterator[Finding]:
    locale = settings.language
    for name, token in (("Discord", settings.discord.token), ("Telegram", settings.telegram.token)):
        if token.get_secret_value():
            yield Finding(State.FINE, name, text(N_("a token is set"), locale))
        else:
            variable = f"{name.upper()}_TOKEN"
            yield Finding(State.NOTE, name, text(N_("off: {variable} is not set"), locale, variable=variable))
    if not settings.hosts:
        yield Finding(State.NOTE, N_("hosts"), text(N_("none; only this machine can switch LoRAs"), locale))
    if not settings.web.enabled:
        yield Finding(State.NOTE, N_("page"), text(N_("off"), locale))
        return
    host, port = settings.web.host, settings.web.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            yield Finding(State.WRONG, N_("page"), explain(PortTaken(host=host, port=port), locale))
        else:
            yield Finding(State.FINE, N_("page"), f"http://{host}:{port}/")


def _read_shelf(settings: Settings, model: ModelInfo) -> Shelf:
    folders: list[Path] = [built_in_lora_folder(model), settings.to_engine_config().lora_dir]
    return read_shelf(folders, model)
