"""``sugarbot lora list|check|info|add|remove|pin``: the shelf from the shell, also while the bot runs.

They draw nothing: the trial picture of a file is drawn by the running bot, which notices every change of the
folder. Texts from files are printed without control characters.
"""

import asyncio
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from bot.checks.finding import Level
from bot.cli.lora_facts import FileFacts, examine, print_facts, print_json, proposed_sidecar
from bot.cli.screen import Screen, add_row
from bot.commands.text import normalize
from bot.errors import LoraBuiltIn
from bot.languages import title_of
from bot.messages import N_, format_error, text
from bot.settings import Settings
from engine.checkpoint.model import ModelInfo, find_model, lora_folders
from engine.durable import make_folder, replacing, write_file
from engine.errors import (
    LoraMissing,
    LoraNameBuiltIn,
    LoraNameRefused,
    LoraNotAFile,
    LoraPinBroken,
    LoraRejected,
)
from engine.formatting import in_mib
from engine.shelf import LoraFile, Rejected, Shelf, read_shelf, sha256_of
from engine.shelf.names import SUFFIX, require_name
from engine.shelf.sidecar import (
    parse_sidecar,
    read_sidecar,
    remove_file,
    sidecar_path,
)

_PIN = re.compile(r"sha256\s*=")  # a line of a sidecar


async def list_shelf(settings: Settings, *, as_json: bool = False) -> int:
    """Print the LoRAs and the refused files; return 1 if a file was refused.

    Raises:
        ModelError: The model is missing; it defines the layers that a LoRA may change.
    """
    locale, out = settings.language, Screen()
    shelf = await asyncio.to_thread(lambda: _read_shelf(settings, _model_of(settings)))
    if as_json:
        print_json(out, _shelf_as_json(shelf))
        return int(bool(shelf.rejected))
    table = Table()
    for title in (N_("LoRA"), N_("title"), N_("trigger"), N_("rank"), "MiB", "sha256"):
        table.add_column(text(title, locale), overflow="fold")
    for file in shelf.files.values():
        rank, size, title = str(file.rank), in_mib(file.bytes), title_of(file.titles, locale)
        add_row(table, (file.name, title, file.trigger, rank, size, file.sha256[:12]))
    out.print(table)
    for each in shelf.rejected:
        out.print_line(f"{Level.WRONG} {each.name}: {format_error(each.error, locale)}")
    return int(bool(shelf.rejected))


def _shelf_as_json(shelf: Shelf) -> dict[str, object]:
    files = [
        {"name": file.name, "path": str(file.path), "sha256": file.sha256, "bytes": file.bytes}
        | {"rank": file.rank, "titles": dict(file.titles), "trigger": file.trigger, "weight": file.weight}
        for file in shelf.files.values()
    ]
    refused = [
        {"name": each.name, "error": type(each.error).__name__, "detail": str(each.error)}
        for each in shelf.rejected
    ]
    return {"files": files, "refused": refused}


async def check(settings: Settings, path: Path, *, as_json: bool = False) -> int:
    """Check a file, which may be anywhere, and its sidecar without a worker; return 1 if it is refused."""
    locale, out = settings.language, Screen()
    try:
        facts = await asyncio.to_thread(_examine_as_shelf, settings, path)
    except LoraRejected as error:
        return _refuse(out, path.stem, error, locale, as_json=as_json, path=path)
    print_facts(out, facts, locale, as_json=as_json)
    if not as_json:
        out.print_line(text(N_("Not checked: the trial picture, which the running bot draws."), locale))
    return 0


async def info(settings: Settings, name: str, *, as_json: bool = False) -> int:
    """Print what is known of a LoRA of the shelf; return 1 for an unknown name or a refused file."""
    locale, out = settings.language, Screen()
    model = await asyncio.to_thread(_model_of, settings)
    shelf = await asyncio.to_thread(_read_shelf, settings, model)
    folder = settings.to_engine_config().lora_dir
    file = shelf.files.get(name) or shelf.file_named(name, folder) or _find(shelf, name)
    if file is None:
        return _unknown(out, name, locale)
    if isinstance(file, Rejected):
        return _refuse(out, file.name, file.error, locale, as_json=as_json, path=file.path)
    facts = await asyncio.to_thread(examine, file.path, model, file.name)
    print_facts(out, facts, locale, as_json=as_json, file=file)
    return 0


async def add(settings: Settings, path: Path, name: str) -> int:
    """Check a file and copy it into the LoRA folder, durably and never over another; return 1 if refused.

    Raises:
        OSError: The folder accepts no file; it is unchanged.
    """
    locale, out = settings.language, Screen()
    return await asyncio.to_thread(_add, settings, path, name or path.stem, out, locale)


async def remove(settings: Settings, name: str) -> int:
    """Delete a file of the LoRA folder and its sidecar; return 1 if no file has this name.

    Waiting jobs keep the copies that the running bot has made for them.
    """
    locale, out = settings.language, Screen()
    return await asyncio.to_thread(_remove, settings, name, out, locale)


async def pin(settings: Settings, name: str, *, is_off: bool = False) -> int:
    """Write the sha256 of a LoRA into its sidecar, so that another content is refused; or take it out.

    Return 1 if the LoRA folder has no LoRA of this name, its sidecar cannot be changed without a loss, or its
    file is refused for anything but its pin.

    Raises:
        OSError: The folder accepts no file; the sidecar is unchanged.
    """
    locale, out = settings.language, Screen()
    return await asyncio.to_thread(_pin, settings, name, out, locale, is_off=is_off)


def _examine_as_shelf(settings: Settings, path: Path) -> FileFacts:
    """Examine a file; the shelf decides on one of its folders, and a sidecar counts everywhere.

    Raises:
        LoraRejected: Its class says why.
    """
    model = _model_of(settings)
    place = path.parent.resolve() / path.name
    if any(
        place.is_relative_to(folder.resolve()) for folder in lora_folders(settings.to_engine_config(), model)
    ):
        for each in _read_shelf(settings, model).rejected:
            if each.path and place == each.path.parent.resolve() / each.path.name:
                raise each.error
    require_name(path.stem)
    facts = examine(path, model)
    if (pinned := read_sidecar(path).sha256) not in ("", facts.sha256):
        raise LoraPinBroken(found=facts.sha256, pinned=pinned)
    return facts


def _add(settings: Settings, path: Path, name: str, out: Screen, locale: str) -> int:
    model = _model_of(settings)
    folder = settings.to_engine_config().lora_dir
    target = folder / f"{name}{SUFFIX}"
    try:
        require_name(name)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise LoraNameRefused
        facts = examine(path, model, name)
        make_folder(target.parent)
        other = _find(_read_shelf(settings, model), name)
        if other and not other.path.is_relative_to(folder):
            raise LoraNameBuiltIn(other=other.name)
        if other or os.path.lexists(target):
            out.print_line(text(N_("“{name}” is already on the shelf; remove it first."), locale, name=name))
            return 1
        with replacing(target) as draft:  # its name is no LoRA's until it is whole
            shutil.copyfile(path, draft)
            if sha256_of(draft) != facts.sha256:
                raise LoraMissing  # it was changed meanwhile
        shelf = _read_shelf(settings, model)
        if name not in shelf.files:
            target.unlink()
            raise next((each.error for each in shelf.rejected if each.name == name), LoraNameRefused())
    except LoraRejected as error:
        return _refuse(out, name, error, locale, path=path)
    proposed = proposed_sidecar(facts.proposals, locale)
    if proposed and not os.path.lexists(sidecar_path(target)):
        write_file(sidecar_path(target), proposed.encode())
    shown = N_("“{name}” is on the shelf: {path}. A running bot draws its trial picture, then offers it.")
    out.print_line(text(shown, locale, name=name, path=str(target)))
    return 0


def _remove(settings: Settings, name: str, out: Screen, locale: str) -> int:
    model = _model_of(settings)
    folder = settings.to_engine_config().lora_dir
    shelf = _read_shelf(settings, model)
    file = shelf.file_named(name, folder) or _find(shelf, name)
    if file is None or file.path is None:
        return _unknown(out, name, locale)
    if not file.path.is_relative_to(folder):
        out.print_line(format_error(LoraBuiltIn(name=file.name), locale))
        return 1
    remove_file(file.path)
    out.print_line(text(N_("Removed: {path}"), locale, path=str(file.path)))
    return 0


def _pin(settings: Settings, name: str, out: Screen, locale: str, *, is_off: bool) -> int:
    model = _model_of(settings)
    folder = settings.to_engine_config().lora_dir
    shelf = _read_shelf(settings, model)
    file = shelf.file_named(name, folder) or _find(shelf, name)
    if file is None or file.path is None:
        return _unknown(out, name, locale)
    if not file.path.is_relative_to(folder):
        stays = N_("“{name}” comes with the built-in model, so it can't be pinned.")
        out.print_line(text(stays, locale, name=file.name))
        return 1
    if isinstance(file, Rejected) and not isinstance(file.error, LoraPinBroken):
        return _refuse(out, file.name, file.error, locale, path=file.path)
    place, sha256 = sidecar_path(file.path), "" if is_off else sha256_of(file.path)
    before = read_sidecar(file.path)
    written = place.read_text(encoding="utf-8-sig") if place.exists() else ""
    lines = [line for line in written.splitlines() if not _PIN.match(line)]
    content = "\n".join([f'sha256 = "{sha256}"', *lines, ""] if sha256 else [*lines, ""]).encode()
    if parse_sidecar(content) != replace(before, sha256=sha256):
        out.print_line(text(N_("{path} can't be changed; write into it: sha256 = \"{sha256}\""), locale,
                            path=str(place), sha256=sha256))  # fmt: skip
        return 1
    write_file(place, content)
    shown = N_("“{name}” is pinned: a file with another content is refused.")
    if is_off:
        shown = N_("“{name}” is not pinned: another file may replace it.")
    out.print_line(text(shown, locale, name=file.name))
    return 0


def _refuse(
    out: Screen, name: str, error: LoraRejected, locale: str, *, path: Path | None, as_json: bool = False
) -> int:
    error.facts.setdefault("name", name)
    if as_json:
        print_json(out, {"name": name, "error": type(error).__name__, "detail": str(error)})
    elif isinstance(error, LoraNotAFile) and path and not os.path.lexists(path):
        out.print_line(text(N_("There is no file {path}. Check its name."), locale, path=str(path)))
    else:
        out.print_line(f"{Level.WRONG} {format_error(error, locale)}")
    return 1


def _unknown(out: Screen, name: str, locale: str) -> int:
    out.print_line(
        text(N_("There is no LoRA “{name}” in the LoRA folder; see: sugarbot lora list"), locale, name=name)
    )
    return 1


def _find(shelf: Shelf, name: str) -> LoraFile | None:
    wanted = normalize(name)
    return next((file for each, file in shelf.files.items() if normalize(each) == wanted), None)


def _model_of(settings: Settings) -> ModelInfo:
    return find_model(settings.to_engine_config(), download=False)


def _read_shelf(settings: Settings, model: ModelInfo) -> Shelf:
    return read_shelf(lora_folders(settings.to_engine_config(), model), model)
