"""Helpers that give a host's commands to the desk, and read the shelf's folder and its record."""

from pathlib import Path

from bot.commands.values import LoraAdd, SentFile
from bot.store.loras import ShelfChange
from tests.fakes.desk_harness import HOST, DeskHarness, a_context
from tests.fakes.lora_folder import FakeFolder, lora_bytes

numbers = iter(range(1, 10_000))


def folder_of(harness: DeskHarness) -> FakeFolder:
    folder = harness.desk.parts.management._files
    assert isinstance(folder, FakeFolder)
    return folder


def sent(name: str = "My Face v1.0.safetensors", content: bytes = lora_bytes()) -> LoraAdd:
    async def read() -> bytes:
        return content

    return LoraAdd(file=SentFile(name, len(content), read=read))


async def give(harness: DeskHarness, command: object, user: str = HOST, event: str = "") -> object:
    return await harness.desk.handle(command, a_context(event or str(next(numbers)), user))  # type: ignore[arg-type]


async def newest(harness: DeskHarness) -> ShelfChange:
    [change] = await harness.store.shelf_changes.newest(1)
    return change


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
