"""Checks of a set-up: ``run`` makes them before it starts, ``doctor`` prints them.

A finding is a value; its sentence is in ``bot.messages.checks``. The checks change and download nothing and
contact no platform. They block, except ``require``.
"""

import socket
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import structlog

from bot.checks.finding import Finding, Level
from bot.checks.folders import require_writable
from bot.commands.reading import NO_LORA
from bot.commands.text import normalize
from bot.desk.files import free_and_needed_bytes
from bot.desk.loras.shelf import LoraShelf
from bot.desk.maintenance import is_foreign
from bot.desk.people.claim_file import CLAIM_FILE
from bot.errors import NotStartable, PortTaken, Problem
from bot.messages.checks import format_finding
from bot.settings import PASSWORD_FILE_VARIABLE, Settings, token_file_variable, unknown_variables
from bot.store.files.reading import stored_names
from bot.store.hosting.permissions import PermissionKind
from engine.cuda.stand_ins import has_stand_ins
from engine.formatting import GIB, format_size, in_gib
from engine.planner.headroom import Headroom, HeadroomProbe
from engine.shelf import Shelf

DISK_LOW_BYTES = 2 * GIB  # about two thousand pictures at 1 MB each
PLATFORMS = ("discord", "telegram")
REPAIRED_WHILE_RUNNING = frozenset({"disk_full", "lora_refused"})  # faults that do not prevent a start
DELIBERATE = frozenset({"chat_off", "page_off", "no_hosts"})  # probably the host's choice
NO_CARD = ("no card", "Not Found", "Not Loaded")  # parts of a reading's reason if NVML finds no card

log = structlog.get_logger("bot.checks")


def check_settings(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    hosts: Collection[str] = (),
    allowed: Collection[str] = (),
) -> list[Finding]:
    """Check everything that requires neither the model nor a card.

    Args:
        settings: The host's settings.
        environ: The environment.
        hosts: Who became a host in a chat, as ``platform:id``.
        allowed: What hosts allowed in chats, as ``platform:id``.
    """
    return [
        *_check_data_folder(settings.data_dir, settings.storage.reserve_bytes),
        *check_lora_folder(settings.engine.lora_dir),
        *_check_chats(settings, {*settings.hosts, *hosts}, {*settings.allow, *allowed}),
        *_check_token_files(environ),
        *_check_variables(environ),
    ]


def check_start(settings: Settings, environ: Mapping[str, str], database: Path) -> list[Finding]:
    """Check everything that a start requires before it opens the database."""
    config = settings.to_engine_config()
    headroom = HeadroomProbe(config.device, config.reserve_bytes).read()
    hosts, allowed = (stored_names(database, kind) for kind in (PermissionKind.HOST, PermissionKind.ALLOW))
    return [
        *check_settings(settings, environ, hosts=hosts, allowed=allowed),
        *check_device(settings, headroom),
        *check_libraries(headroom),
    ]


def check_device(settings: Settings, headroom: Headroom) -> Iterator[Finding]:
    """Check that the device of the settings exists."""
    device = settings.engine.device
    facts = {
        "name": headroom.device_name,
        "free": in_gib(headroom.free_bytes),
        "total": in_gib(headroom.total_bytes),
        "reserve": in_gib(headroom.reserve_bytes),
        "device": device,
        "detail": headroom.reason,
    }
    if headroom.is_card and headroom.total_bytes:
        yield Finding(Level.FINE, "card", "card", facts)
    elif device.startswith("cuda"):
        is_absent = any(sign in headroom.reason for sign in NO_CARD)
        yield (
            Finding(Level.WRONG, "card", "device_missing", facts)
            if is_absent
            else Finding(Level.NOTE, "card", "card_unknown", facts)
        )
    else:
        yield Finding(Level.FINE, "card", "processor", facts)


def check_libraries(headroom: Headroom, site_packages: Path | None = None) -> Iterator[Finding]:
    """Check that packages for a machine without a card do not run on one with a card; blocking."""
    torch = find_spec("torch")
    folder = site_packages or (Path(torch.origin).parents[1] if torch and torch.origin else None)
    is_there = headroom.is_card and headroom.total_bytes > 0
    if is_there and folder and has_stand_ins(folder):
        yield Finding(Level.WRONG, "card", "libraries_missing", {"name": headroom.device_name})


def check_shelf(settings: Settings, shelf: Shelf) -> Iterator[Finding]:
    """Check the LoRA files and the default LoRA."""
    if shelf.files:
        yield Finding(Level.FINE, "shelf", "loras", {"loras": tuple(shelf.files)})
    else:
        yield Finding(Level.NOTE, "shelf", "no_loras")
    for refused in shelf.rejected:
        yield Finding(Level.WRONG, "shelf", "lora_refused", {"name": refused.name, "error": refused.error})
    default = settings.engine.default_lora
    if default and normalize(default) != NO_LORA and LoraShelf(shelf).find(default) is None:
        yield Finding(Level.WRONG, "shelf", "default_unknown", {"name": default})


def check_page(settings: Settings) -> Iterator[Finding]:
    """Check that the page's port is free; a running bot uses it itself."""
    if not settings.web.enabled:
        return
    host, port = settings.web.host, settings.web.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            yield Finding(Level.WRONG, "page", "port_taken", {"error": PortTaken(host=host, port=port)})
        else:
            address = f"[{host}]" if ":" in host else host
            yield Finding(Level.FINE, "page", "page_open", {"url": f"http://{address}:{port}/"})


def check_modes(data_dir: Path) -> Iterator[Finding]:
    """Check that other users cannot read the data folder and the code of the first host."""
    if data_dir.is_dir() and data_dir.stat().st_mode & 0o077 and not is_foreign(data_dir):
        yield Finding(Level.NOTE, "data", "data_readable", {"path": str(data_dir)})
    claim = data_dir / CLAIM_FILE
    if claim.is_file() and claim.stat().st_mode & 0o077:
        yield Finding(Level.NOTE, "hosts", "code_readable", {"path": str(claim)})


def prevents_start(finding: Finding) -> bool:
    """Return whether the host must repair this before a start."""
    return finding.level is Level.WRONG and finding.code not in REPAIRED_WHILE_RUNNING


def require(findings: Iterable[Finding], locale: str) -> None:
    """Log what is worth knowing; refuse to start if there is a fault.

    Raises:
        NotStartable: ``problems`` lists all faults that the host must repair first.
    """
    problems = []
    for finding in findings:
        if prevents_start(finding):
            problems.append(Problem(finding.code, finding.facts))
        elif finding.level is not Level.FINE:
            write = (
                log.error
                if finding.level is Level.WRONG
                else log.info
                if finding.code in DELIBERATE
                else log.warning
            )
            write("set-up", part=finding.part, why=format_finding(finding.code, finding.facts, locale))
    if problems:
        raise NotStartable(problems=tuple(problems))


def _check_data_folder(folder: Path, reserve_bytes: int) -> Iterator[Finding]:
    facts: dict[str, object] = {"path": str(folder)}
    try:
        if is_foreign(folder):
            yield Finding(Level.WRONG, "data", "data_foreign", facts)
            return
        free_bytes, needed_bytes = free_and_needed_bytes(folder, reserve_bytes)
        if free_bytes >= needed_bytes:
            require_writable(folder)
    except OSError as error:
        yield Finding(Level.WRONG, "data", "data_unusable", facts | {"detail": error.strerror})
        return
    facts |= {"free": format_size(free_bytes), "needed": format_size(needed_bytes)}
    if free_bytes < needed_bytes:
        yield Finding(Level.WRONG, "data", "disk_full", facts)
    elif free_bytes < DISK_LOW_BYTES:
        yield Finding(Level.NOTE, "data", "disk_low", facts)
    else:
        yield Finding(Level.FINE, "data", "data", facts)


def check_lora_folder(folder: Path | None) -> Iterator[Finding]:
    """Check the LoRA folder of the settings; the default folder need not exist."""
    if folder is None:
        return
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError:
        yield Finding(Level.WRONG, "shelf", "lora_dir_missing", {"path": str(folder)})
    except OSError as error:
        facts = {"path": str(folder), "detail": error.strerror}
        yield Finding(Level.WRONG, "shelf", "lora_dir_unusable", facts)


def _check_chats(settings: Settings, hosts: Collection[str], allowed: Collection[str]) -> Iterator[Finding]:
    tokens = {"discord": settings.discord.token, "telegram": settings.telegram.token}
    served = [platform for platform in PLATFORMS if tokens[platform].get_secret_value()]
    for platform in PLATFORMS:
        if platform not in served:
            variable = f"{platform.upper()}_TOKEN"
            yield Finding(Level.NOTE, platform, "chat_off", {"variable": variable})
            continue
        names = [each for each in (*hosts, *allowed) if each.startswith(f"{platform}:")]
        facts: dict[str, object] = {"example": f'allow = ["{platform}:*"]'}
        yield (
            Finding(Level.FINE, platform, "token_set")
            if names
            else Finding(Level.NOTE, platform, "serves_nobody", facts)
        )
    if not hosts:
        yield Finding(Level.NOTE, "hosts", "no_hosts", {"example": 'hosts = ["discord:123456789"]'})
    if not settings.web.enabled:
        yield Finding(Level.NOTE, "page", "page_off")
        if not served:
            yield Finding(Level.WRONG, "page", "no_chats")


def _check_variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, nearest in unknown_variables(environ):
        code = "variable_misspelt" if nearest else "variable_unknown"
        yield Finding(Level.NOTE, "settings", code, {"variable": name, "nearest": nearest})


def _check_token_files(environ: Mapping[str, str]) -> Iterator[Finding]:
    password_file = PASSWORD_FILE_VARIABLE if environ.get(PASSWORD_FILE_VARIABLE) else ""
    variables = {each: token_file_variable(each, environ) for each in PLATFORMS} | {"page": password_file}
    for name, variable in variables.items():
        path = Path(environ[variable]).expanduser() if variable else None
        if path and path.is_file() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(Level.NOTE, name, "token_readable", {"path": str(path)})
