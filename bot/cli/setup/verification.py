"""Checks an answer at once, with the checks that ``run`` and ``doctor`` make; each of them has a time-out."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

from bot.app import DATABASE
from bot.checks.finding import Finding, Level
from bot.checks.platforms import check_discord, check_telegram
from bot.cli import runner
from bot.cli.setup.dialogue import Dialogue
from bot.errors import DatabaseInUse, PlatformUnreachable
from bot.languages import is_chinese
from bot.messages.checks import format_finding, part_title
from bot.settings import Settings
from bot.store.files.lock import locked
from engine.checkpoint.convert import SPARE_BYTES
from engine.checkpoint.download import downloaded_bytes
from engine.checkpoint.model import download_folder, find_source
from engine.checkpoint.remote import list_remote
from engine.config import PUBLISHED, PUBLISHED_COPY_BYTES, EngineConfig
from engine.errors import ModelError, ModelNotDownloaded, NoRoomForModel
from engine.formatting import in_gib

CHAT_TIMEOUT_S = 60.0  # for all questions to a platform; each has a shorter time-out of its own
NOT_YET = frozenset({"menu_outdated", "menu_declared_at_start", "in_no_server", "host_has_not_written"})
"""What a platform cannot know before the first start."""


class AnswerRefused(Exception):
    """An answer is wrong, its findings are printed, and nobody can be asked again."""


def print_findings(findings: Iterable[Finding], dialogue: Dialogue) -> bool:
    """Print what was found; return whether nothing is wrong."""
    is_sound = True
    for finding in findings:
        title = part_title(finding.part, dialogue.locale)
        sentence = format_finding(finding.code, finding.facts, dialogue.locale)
        colon = "：" if is_chinese(dialogue.locale) else ": "
        dialogue.say(f"{finding.level} {title}{colon}{sentence}")
        is_sound = is_sound and finding.level is not Level.WRONG
    return is_sound


def check_chat(platform: str, settings: Settings) -> list[Finding]:
    """Ask a platform about the bot. Blocking.

    Raises:
        KeyboardInterrupt: The host stopped it.
    """
    found: list[Finding] = []

    async def collect() -> int:
        if platform == "discord":
            asked = check_discord(settings)
        else:
            asked = check_telegram(settings, is_running=_is_running(settings.data_dir / DATABASE))
        try:
            async with asyncio.timeout(CHAT_TIMEOUT_S):
                found.extend([finding async for finding in asked])
        except TimeoutError:
            error = PlatformUnreachable(platform=platform, detail="no answer in time")
            found.append(Finding(Level.WRONG, platform, "unreachable", {"error": error}))
        return 0

    if runner.run(collect):
        raise KeyboardInterrupt
    return [finding for finding in found if finding.code not in NOT_YET]


def check_weights(config: EngineConfig, *, has_card: bool) -> Finding:
    """Check that the model is whole, or can be downloaded to this disk. Blocking; it downloads nothing."""
    try:
        try:
            model = find_source(config, download=False)
        except ModelNotDownloaded:
            return _check_download(config, has_card=has_card)
    except ModelError as error:
        return Finding(Level.WRONG, "model", "model_unusable", {"error": error})
    size = f"{model.native_width_px} × {model.native_height_px}"
    return Finding(Level.FINE, "model", "model", {"name": model.name, "size": size})


def _check_download(config: EngineConfig, *, has_card: bool) -> Finding:
    remote = list_remote(config)
    folder = download_folder(config)
    missing_bytes = max(0, remote.total_bytes - downloaded_bytes(folder))
    copy_bytes = PUBLISHED_COPY_BYTES if has_card and config.model == PUBLISHED else 0
    needed_bytes = missing_bytes + copy_bytes + SPARE_BYTES
    free_bytes = shutil.disk_usage(_existing(config.data_dir)).free
    if needed_bytes > free_bytes:
        raise NoRoomForModel(folder=str(config.data_dir), needed_bytes=needed_bytes, free_bytes=free_bytes)
    facts = {"name": config.model, "commit": remote.commit, "gib": in_gib(missing_bytes)}
    return Finding(Level.FINE, "model", "to_download", facts)


def _existing(folder: Path) -> Path:
    absolute = folder.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.is_dir())


def _is_running(database: Path) -> bool:
    """Whether a bot uses this data folder, so that asking for its updates would disturb it."""
    if not database.exists():
        return False
    try:
        with locked(database):
            return False
    except DatabaseInUse:
        return True
