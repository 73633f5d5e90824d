"""/mine sends the pictures and a button for their files; a file that Telegram has is not uploaded again."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, LoraInfo, LoraList, Mine, Original
from bot.outcomes import (
    History,
    HistoryEntry,
    JobState,
    LoraListing,
    Originals,
    QueuedJob,
    QueueListing,
    Service,
    Who,
)
from engine.host import CardReport
from engine.planner.headroom import Headroom
from tests.fakes.desk import ScriptedDesk
from tests.fakes.renderer import FakeRenderer, tiny_png
from tests.fakes.telegram_app import RECIPE, make_result, png
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_delivery import HERE, TEN_MB
from tests.integration.telegram.test_end_to_end import GROUP, pictures, serve_bot
from tests.unit.bot.chats.making import LORA


def history(folder: Path, *counts: int) -> History:
    """Jobs with so many pictures each."""
    entries = []
    for number, count in enumerate(counts, start=1):
        contents = [png("navy", 16 + index) for index in range(count)]
        files = make_result(HERE, folder, *contents, job_id=f"j{number}").pictures
        entries.append(HistoryEntry(f"j{number}", JobState.DONE, RECIPE, files))
    return History(tuple(entries))


def files(world: World, chat_id: int = 11) -> list[Sent]:
    return [sent for sent in world.in_chat(chat_id) if sent.file]


async def test_mine_shows_the_pictures_and_original_the_file_also_after_a_restart(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("a fox --seed 7")
        world.say("a hare --seed 8 -n 2")
        await server.until(
            lambda: len([sent for sent in world.in_chat(11) if "Reroll" in dict(sent.buttons)]) == 2
        )
    shown = len(files(world))
    uploads = world.uploads
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("/mine")
        await server.until(lambda: len(files(world)) == shown + 3)
        again = files(world)[shown:]
        assert [sent.file for sent in again] == [tiny_png(8), tiny_png(9), tiny_png(7)]
        assert world.uploads == uploads, "Telegram has them"
        [mine] = [sent for sent in world.in_chat(11) if "latest jobs" in sent.text]
        assert [label for label, _ in mine.buttons[:2]] == ["Original file: a hare", "Original file: a fox"]

        world.press(mine, "Original file: a fox")
        await server.until(lambda: len(files(world)) == shown + 4)
        document = files(world)[-1]
        assert (document.kind, document.file) == ("document", tiny_png(7))
        assert document.file_name.endswith("-1.png")
        assert world.uploads == uploads + 1, "photos are compressed, so the file was not there yet"

        world.press(mine, "Original file: a fox")
        await server.until(lambda: len(files(world)) == shown + 5)
        assert files(world)[-1].file == tiny_png(7)
        assert world.uploads == uploads + 1


async def test_an_original_is_only_for_its_person_and_for_its_group(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("a fox")
        await server.until(lambda: pictures(world))
        mine = pictures(world)[0]
        strangers = Sent(GROUP.id, 900, "photo", "", mine.buttons)
        query_id = world.press(strangers, "Original file", by=Person(77))
        await server.until(lambda: query_id in world.alerts)
        assert "someone else" in world.alerts[query_id]

        world.say("/sugar a hare", group=GROUP)
        await server.until(lambda: pictures(world, GROUP.id))
        world.press(pictures(world, GROUP.id)[0], "Original file", by=Person(77))
        await server.until(lambda: len(files(world, GROUP.id)) == 2)


async def test_missing_picture_files_are_explained(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("a fox")
        await server.until(lambda: pictures(world))
        for path in (tmp_path / "pictures").rglob("*.png"):
            path.unlink()
        query_id = world.press(pictures(world)[0], "Original file")
        await server.until(lambda: query_id in world.alerts)
        assert "no longer here" in world.alerts[query_id]
        world.say("/mine")
        await server.until(lambda: len(world.in_chat(11)) == 2)
    [shown, mine] = world.in_chat(11)
    assert shown.file
    assert "pictures expired" in mine.text
    assert not [label for label, _ in mine.buttons if label.startswith("Original")]


@pytest.mark.usefixtures("chat")
async def test_pictures_whose_file_ids_telegram_refuses_are_uploaded_again(
    server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    desk.answer = lambda *_: history(tmp_path, 1, 2)
    desk.kept_ids = {("photo", "j1", 0): "of another bot", ("photo", "j2", 1): "of another bot"}
    world.say("/mine")
    await server.until(lambda: desk.settled)
    assert len(files(world)) == 3
    assert set(desk.kept_ids) == {("photo", "j1", 0), ("photo", "j2", 0), ("photo", "j2", 1)}
    assert "of another bot" not in desk.kept_ids.values()


@pytest.mark.usefixtures("chat")
async def test_mine_sends_an_album_of_at_most_ten_or_a_single_picture(
    server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    desk.answer = lambda *_: history(tmp_path, 4, 4, 4)
    world.say("/mine")
    await server.until(lambda: len(desk.settled) == 1)
    assert len(files(world)) == 10
    desk.answer = lambda *_: history(tmp_path, 1)
    world.say("/mine")
    await server.until(lambda: len(desk.settled) == 2)
    assert len(server.named("sendPhoto")) == 1


@pytest.mark.usefixtures("chat")
async def test_the_list_is_not_sent_again_when_the_album_fails(
    server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.incoming.handler.RETRY_PAUSES_S", (0.02,))
    desk.answer = lambda *_: history(tmp_path, 2)
    server.fail("sendMediaGroup", 502, "Bad Gateway")
    world.say("/mine")
    await server.until(lambda: desk.settled)
    assert len(server.named("sendMessage")) == 1
    assert len(files(world)) == 2


@pytest.mark.usefixtures("chat")
async def test_several_originals_are_sent_as_one_album_of_documents(
    server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    drawn = history(tmp_path, 4).entries[0].pictures
    desk.answer = lambda *_: Originals("j1", drawn)
    world.press(Sent(11, 80, "text", "", (("Original file", "v1:o:j1"),)), "Original file")
    await server.until(lambda: desk.settled)
    assert [sent.kind for sent in files(world)] == ["document"] * 4
    assert len({sent.album for sent in files(world)}) == 1
    assert desk.handled[0][0] == Original("j1")


@pytest.mark.parametrize("count", [1, 2])
async def test_a_picture_sent_as_a_document_is_sent_again_as_a_document(
    server: TelegramServer,
    world: World,
    chat: TelegramChat,
    desk: ScriptedDesk,
    tmp_path: Path,
    count: int,
) -> None:
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    result = make_result(HERE, tmp_path, *[png() + b"\0" * TEN_MB, png("navy")][:count])
    await chat.deliver(result)
    assert {form for form, *_ in desk.kept_ids} == {"document"}
    desk.answer = lambda *_: History((HistoryEntry("j1", JobState.DONE, RECIPE, result.pictures),))
    shown = len(files(world))
    world.say("/mine")
    await server.until(lambda: desk.settled)
    assert [sent.kind for sent in files(world)[shown:]] == ["document"] * count


async def test_the_card_comes_as_text_and_a_photo(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk
) -> None:
    memory = Headroom(9, 9, 0, "NVIDIA A10", "a test")
    desk.answer = lambda *_: CardReport(device_name="NVIDIA A10", state="ready", memory=memory, png=png())
    world.say("/gpu")
    await server.until(lambda: desk.settled)
    text, photo = list(world.messages.values())[-2:]
    assert text.kind == "text"
    assert "NVIDIA A10" in str(text)
    assert photo.kind == "photo"


@pytest.mark.parametrize("chat_id", [11, -100_200])
async def test_a_turned_page_replaces_the_list_and_in_a_group_sends_no_album(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path, chat_id: int
) -> None:
    jobs = history(tmp_path, 2)
    desk.answer = lambda *_: replace(jobs, page=2, has_more=True, search="fox")
    world.messages[chat_id, 80] = Sent(chat_id, 80, "text", "page 1", (("Older ›", data_of(Mine("fox", 2))),))
    world.press(world.messages[chat_id, 80], "Older ›")
    await server.until(lambda: desk.settled)
    turned = world.messages[chat_id, 80]
    assert "page 2" in turned.text
    assert len(turned.rows[-1]) >= 2, "pages have a row of their own"
    assert len(files(world, chat_id)) == (2 if chat_id > 0 else 0)


async def test_a_button_of_the_queue_replaces_the_page(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk
) -> None:
    who = Who("telegram:12")
    jobs = tuple(QueuedJob(f"k3f{line}", who, 1, 64, 64, 1, (), 0, number=line) for line in (1, 2))
    listing = QueueListing(jobs, 0, Service())
    desk.answer = lambda *_: listing
    world.say("/queue")
    await server.until(lambda: desk.settled)
    [listed] = [each for each in world.messages.values() if "1. k3f1" in each.text and each.buttons]
    assert [label for label, _ in listed.buttons] == ["Cancel 1", "Cancel 2"]
    desk.settled.clear()
    desk.answer = lambda *_: replace(listing, jobs=jobs[1:], cancelled="k3f1")
    world.press(listed, "Cancel 1")
    await server.until(lambda: desk.settled)
    assert desk.handled[-1][0] == Cancel("k3f1", 1)
    shown = world.messages[listed.chat_id, listed.message_id]
    assert [label for label, _ in shown.buttons] == ["Cancel 2"]
    assert shown.text.startswith("Job k3f1 is cancelled and refunded.")


async def test_a_button_of_the_shelf_replaces_the_page_and_a_choice_shows_its_lora(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk
) -> None:
    listing = LoraListing((LORA.lora,), "", page=1, pages=2, total=26)
    desk.answer = lambda *_: listing
    world.say("/loras")
    await server.until(lambda: desk.settled)
    [listed] = [each for each in world.messages.values() if each.buttons]
    assert [label for label, _ in listed.buttons] == ["About sugar", "Next ›"]
    desk.settled.clear()
    desk.answer = lambda *_: replace(listing, page=2)
    world.press(listed, "Next ›")
    await server.until(lambda: desk.settled)
    assert desk.handled[-1][0] == LoraList("", 2)
    shown = world.messages[listed.chat_id, listed.message_id]
    assert [label for label, _ in shown.buttons] == ["About sugar", "‹ Previous"]
    desk.answer = lambda *_: LORA
    world.press(shown, "About sugar")
    await server.until(lambda: any("Draw with it" in dict(each.buttons) for each in world.messages.values()))
    assert desk.handled[-1][0] == LoraInfo("#" + 40 * "a")


async def test_another_person_s_press_turns_no_page_of_a_list_but_gets_a_list_of_its_own(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    group = -100_200
    jobs = history(tmp_path, 2)
    desk.answer = lambda *_: replace(jobs, page=2, has_more=True)
    world.messages[group, 80] = Sent(group, 80, "text", "page 1", (("Older ›", data_of(Mine("", 2))),))
    world.press(world.messages[group, 80], "Older ›", by=Person(id=12), answers=Person(id=11))
    await server.until(lambda: desk.settled)
    assert world.messages[group, 80].text == "page 1"
    assert any("page 2" in each.text for each in world.messages.values())
