"""What is right and wrong with a set-up: ``run`` makes these checks before it starts, ``doctor`` prints them.

A finding is a value; its sentence is in ``bot.messages.checks``. Nothing is changed, downloaded or asked of a
platform. Blocking, except ``require``.
"""

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from bot.checks.folders import require_writable
from bot.desk.files import free_and_needed_bytes
from bot.errors import NotStartable, Problem
from bot.messages.checks import finding_in
from bot.settings import Settings, token_file_variable
from engine.planner.headroom import Headroom
from engine.shelf import Shelf
from engine.sizes import GIB, in_gib

DISK_LOW_BYTES = 2 * GIB  # about two thousand pictures at 1 MB each
PLATFORMS = ("discord", "telegram")
MENDED_WHILE_RUNNING = frozenset({"disk_full", "lora_refused"})  # wrong, but no reason not to start
CHOSEN = frozenset({"chat_off", "page_off", "no_hosts"})  # as likely a choice as an oversight
NO_CARD = ("no card", "Not Found", "Not Loaded")  # in a reading's reason: NVML or its driver shows none

log = structlog.get_logger("bot.checks")


class Level(StrEnum):
    """What a finding is: fine, worth knowing, or to be mended."""

    FINE = "✓"
    NOTE = "–"
    WRONG = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        about: The part of the set-up; names its title in ``bot.messages.checks``.
        code: Names its sentence there.
        facts: Fill the sentence. ``error`` is an exception that explains itself.
    """

    level: Level
    about: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


def of_settings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Check everything that needs neither the model nor a card."""
    return [
        *_data_folder(settings.data_dir, settings.storage.reserve_bytes),
        *_lora_folder(settings.engine.lora_dir),
        *_chats(settings),
        *_token_files(environ),
    ]


def of_engine(settings: Settings, headroom: Headroom, shelf: Shelf) -> list[Finding]:
    """Check device and shelf."""
    return [*of_device(settings, headroom), *of_shelf(settings, shelf)]


def of_device(settings: Settings, headroom: Headroom) -> Iterator[Finding]:
    """Check that the device which the settings name is there."""
    device = settings.engine.device
    facts = {
        "name": headroom.device_name,
        "free": in_gib(headroom.free_bytes),
        "total": in_gib(headroom.total_bytes),
        "reserve": in_gib(headroom.reserve_bytes),
        "device": device,
        "detail": headroom.reason,
    }
    if headroom.is_card:
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


def of_shelf(settings: Settings, shelf: Shelf) -> Iterator[Finding]:
    """Check the LoRA files and the default LoRA."""
    if shelf.files:
        yield Finding(Level.FINE, "shelf", "loras", {"loras": tuple(shelf.files)})
    else:
        yield Finding(Level.NOTE, "shelf", "no_loras")
    for refused in shelf.rejected:
        yield Finding(Level.WRONG, "shelf", "lora_refused", {"name": refused.name, "error": refused.error})
    default = settings.engine.default_lora
    if default and default not in shelf.files:
        yield Finding(Level.WRONG, "shelf", "default_unknown", {"name": default})


def of_modes(data_dir: Path) -> Iterator[Finding]:
    """Check that other users cannot read the data folder."""
    if data_dir.is_dir() and data_dir.stat().st_mode & 0o077:
        yield Finding(Level.NOTE, "data", "data_readable", {"path": str(data_dir)})


def require(findings: Iterable[Finding], locale: str) -> None:
    """Log what is worth knowing; refuse to start where something is wrong.

    Raises:
        NotStartable: ``problems`` names everything that the host must mend first.
    """
    problems = []
    for finding in findings:
        if finding.level is Level.WRONG and finding.code not in MENDED_WHILE_RUNNING:
            problems.append(Problem(finding.code, finding.facts))
        elif finding.level is not Level.FINE:
            say = (
                log.error
                if finding.level is Level.WRONG
                else log.info
                if finding.code in CHOSEN
                else log.warning
            )
            say("set-up", about=finding.about, why=finding_in(finding.code, finding.facts, locale))
    if problems:
        raise NotStartable(problems=tuple(problems))


def _data_folder(folder: Path, reserve_bytes: int) -> Iterator[Finding]:
    facts: dict[str, object] = {"path": str(folder)}
    try:
        free_bytes, needed_bytes = free_and_needed_bytes(folder, reserve_bytes)
        if free_bytes >= needed_bytes:
            require_writable(folder)
    except OSError as error:
        yield Finding(Level.WRONG, "data", "data_unusable", facts | {"detail": error.strerror})
        return
    facts |= {"free": in_gib(free_bytes), "needed": in_gib(needed_bytes)}
    if free_bytes < needed_bytes:
        yield Finding(Level.WRONG, "data", "disk_full", facts)
    elif free_bytes < DISK_LOW_BYTES:
        yield Finding(Level.NOTE, "data", "disk_low", facts)
    else:
        yield Finding(Level.FINE, "data", "data", facts)


def _lora_folder(folder: Path | None) -> Iterator[Finding]:
    """A folder that the host names must be there; the default one need not."""
    if folder is None:
        return
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        facts = {"path": str(folder), "detail": error.strerror}
        yield Finding(Level.WRONG, "shelf", "lora_dir_unusable", facts)


def _chats(settings: Settings) -> Iterator[Finding]:
    tokens = {"discord": settings.discord.token, "telegram": settings.telegram.token}
    served = [platform for platform in PLATFORMS if tokens[platform].get_secret_value()]
    for platform in PLATFORMS:
        if platform not in served:
            variable = f"{platform.upper()}_TOKEN"
            yield Finding(Level.NOTE, platform, "chat_off", {"variable": variable})
            continue
        names = [each for each in (*settings.hosts, *settings.allow) if each.startswith(f"{platform}:")]
        facts: dict[str, object] = {"example": f'allow = ["{platform}:*"]'}
        yield (
            Finding(Level.FINE, platform, "token_set")
            if names
            else Finding(Level.NOTE, platform, "serves_nobody", facts)
        )
    if not settings.hosts:
        yield Finding(Level.NOTE, "hosts", "no_hosts", {"example": 'hosts = ["discord:123456789"]'})
    if not settings.web.enabled:
        yield Finding(Level.NOTE, "page", "page_off")
        if not served:
            yield Finding(Level.WRONG, "page", "no_chats")


def _token_files(environ: Mapping[str, str]) -> Iterator[Finding]:
    for platform in PLATFORMS:
        variable = token_file_variable(platform, environ)
        path = Path(environ[variable]).expanduser() if variable else None
        if path and path.is_file() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(Level.NOTE, platform, "token_readable", {"path": str(path)})
