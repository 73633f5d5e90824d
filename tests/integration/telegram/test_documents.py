"""A LoRA file of a chat is read through getFile, in Telegram's bounds, and no error shows the token."""

import asyncio
from typing import Any

import pytest

from bot.chats.telegram_.incoming import desk_calls
from bot.commands.values import Command, LoraAdd
from bot.errors import DownloadFailed, DownloadTooLarge
from bot.outcomes import AddStage, CommandContext, LoraAdded, LoraAdding, Outcome
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World

HOST = Person(1, "The host")
SAFETENSORS = b"\x08" + bytes(7) + b"{}      " + bytes(range(256))


def document(file_id: str) -> dict[str, Any]:
    return {"document": {"file_id": file_id, "file_unique_id": "u", "file_name": "a.safetensors"}}


def reading_desk(read: list[bytes]) -> ScriptedDesk:
    """A desk that reads the file of ``/lora add``, as the real one does outside its transaction."""
    desk = ScriptedDesk(lambda *_: LoraAdded("a", 1, "0" * 64, "", 0.1))
    handle = desk.handle

    async def handle_with_file(command: Command, context: CommandContext) -> Outcome:
        assert isinstance(command, LoraAdd)
        assert command.file is not None
        assert command.file.read is not None
        read.append(await command.file.read())
        return await handle(command, context)

    desk.handle = handle_with_file  # type: ignore[method-assign]
    return desk


@pytest.mark.parametrize("as_reply", [False, True])
async def test_a_sent_file_is_read_byte_for_byte(
    server: TelegramServer, world: World, *, as_reply: bool
) -> None:
    world.documents["f9"] = SAFETENSORS
    read: list[bytes] = []
    async with serving(server, reading_desk(read)) as _:
        if as_reply:
            file_message = Sent(1, 80, "document", "")
            world.say("/lora add", by=HOST, reply_to=file_message, replied_content=document("f9"))
        else:
            world.say("/lora add", by=HOST, content=document("f9"))
        await server.until(lambda: "a" in "".join(world.texts(1)))
    assert read == [SAFETENSORS]


@pytest.mark.parametrize(
    ("file_id", "error"),
    [("too big", DownloadTooLarge), ("never sent", DownloadFailed), ("lost while read", DownloadFailed)],
)
async def test_a_file_that_telegram_does_not_give_is_refused_without_the_token(
    server: TelegramServer, world: World, file_id: str, error: type[Exception]
) -> None:
    world.documents["too big"] = bytes(20_000_001)
    world.documents["lost while read"] = b"x"
    world.unreadable.add("lost while read")
    read: list[bytes] = []
    async with serving(server, reading_desk(read)):
        world.say("/lora add", by=HOST, content=document(file_id))
        await server.until(lambda: world.texts(1))
    [text] = world.texts(1)
    assert not read
    assert TOKEN not in text
    assert ("too large" in text) == (error is DownloadTooLarge), text


async def test_a_long_add_shows_how_far_it_is_in_the_message_of_its_answer(
    server: TelegramServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_calls, "SHOW_WORK_AFTER_S", 0.01)
    monkeypatch.setattr(desk_calls, "SHOW_WORK_EVERY_S", 0.01)
    desk, may_end = ScriptedDesk(lambda *_: LoraAdded("a", 1, "0" * 64, "", 0.1)), asyncio.Event()
    handle = desk.handle

    async def handle_slowly(command: Command, context: CommandContext) -> Outcome:
        await may_end.wait()
        return await handle(command, context)

    desk.handle = handle_slowly  # type: ignore[method-assign]
    async with serving(server, desk):
        world.say("/lora add hf:o/n/a.safetensors", by=HOST)
        await server.until(lambda: "Working on it" in "".join(world.texts(1)))
        for received in (2**20, 2 * 2**20):
            desk.progress = LoraAdding("a", AddStage.DOWNLOAD, received, 10 * 2**20)
            await server.until(lambda: f"{received // 2**20} of 10 MiB" in "".join(world.texts(1)))  # noqa: B023
        may_end.set()
        await server.until(lambda: "is on the shelf" in "".join(world.texts(1)))
        assert len(world.texts(1)) == 1
