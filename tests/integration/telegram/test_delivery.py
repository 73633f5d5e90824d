"""Ended jobs arrive exactly once, also after faults and changes of their chat."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from telegram.error import BadRequest, NetworkError, TimedOut

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.sender import may_have_arrived
from bot.outcomes import Address, JobState, Platform, RetryLater, Undeliverable
from engine.request import FailReason
from tests.fakes.desk import ScriptedDesk
from tests.fakes.desk_harness import until
from tests.fakes.figures import figure
from tests.fakes.telegram_app import Script, buttons_of, make_result, make_status, png, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World

HERE = ChatAddress(11, reply_to=1, message_id=50)
GROUP_ID = -100_200
TEN_MB = 10_000_000


@pytest.fixture(autouse=True)
def placeholder(world: World) -> None:
    for chat_id in (11, GROUP_ID):
        world.messages[chat_id, 50] = Sent(chat_id, 50, "text", "waiting", (("Cancel", "v1:c:j1"),))


async def test_two_pictures_come_as_an_album_and_a_message_with_the_buttons(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    result = make_result(HERE, tmp_path, png("peru"), png("navy"))
    await chat.deliver(result)
    control, *album = world.in_chat(11)
    assert [sent.file for sent in album] == [png("peru"), png("navy")]
    assert {sent.album for sent in album} != {""}
    assert {sent.reply_to for sent in album} == {1}
    assert control.buttons == buttons_of(result)
    assert control.rows[0] == ("Picture 1", "Picture 2")
    assert "64 × 64" in control.text
    stored = ChatAddress.parse(desk.addresses["j1"])
    assert stored.album == tuple(sent.message_id for sent in album)
    assert stored.message_id == 50


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_delivering_twice_shows_once(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    state = JobState.DONE if count else JobState.FAILED
    contents = [png(colour) for colour in ("peru", "navy")[:count]]
    await chat.deliver(make_result(HERE, tmp_path, *contents, state=state))
    before = world.in_chat(11)
    again = ChatAddress.parse(desk.addresses["j1"]) if "j1" in desk.addresses else HERE
    await chat.deliver(make_result(again, tmp_path, *contents, state=state))
    assert world.in_chat(11) == before


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_without_a_placeholder_a_new_message_is_sent_and_stored(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    contents = [png(colour) for colour in ("peru", "navy")[:count]]
    address = ChatAddress(12, reply_to=1)
    await chat.deliver(make_result(address, tmp_path, *contents))
    assert len(world.in_chat(12)) == (1 if count < 2 else 3)
    assert ChatAddress.parse(desk.addresses["j1"]).message_id == world.in_chat(12)[-1].message_id


async def test_a_placeholder_the_person_deleted_is_replaced_by_a_new_message(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    del world.messages[11, 50]
    before = figure("sugarbot_delivery_fallbacks_total", platform="telegram", way="channel")
    await chat.deliver(make_result(HERE, tmp_path, png()))
    assert figure("sugarbot_delivery_fallbacks_total", platform="telegram", way="channel") == before + 1
    assert world.in_chat(11)[0].file == png()
    assert ChatAddress.parse(desk.addresses["j1"]).message_id == world.in_chat(11)[0].message_id


@pytest.mark.parametrize("count", [1, 2])
async def test_a_picture_too_big_for_a_photo_is_sent_as_a_document(
    chat: TelegramChat, world: World, tmp_path: Path, count: int
) -> None:
    big = png() + b"\0" * TEN_MB
    await chat.deliver(make_result(HERE, tmp_path, *[big, png()][:count]))
    pictures = [sent for sent in world.in_chat(11) if sent.file]
    assert [sent.kind for sent in pictures] == ["document"] * count
    assert pictures[0].file_name == "sugarbot-j1-1.png"


async def test_a_failed_job_says_why_in_its_placeholder(
    chat: TelegramChat, world: World, tmp_path: Path
) -> None:
    result = make_result(HERE, tmp_path, state=JobState.FAILED, fail=FailReason.OUT_OF_MEMORY)
    await chat.deliver(result)
    (shown,) = world.in_chat(11)
    assert "ran out of memory" in shown.text
    assert [label for label, _ in shown.buttons] == ["Reroll", "Edit"]


async def test_a_cancelled_job_keeps_the_pictures_it_has(
    chat: TelegramChat, world: World, tmp_path: Path
) -> None:
    await chat.deliver(make_result(HERE, tmp_path, png(), state=JobState.CANCELLED))
    (shown,) = world.in_chat(11)
    assert shown.file == png()
    assert shown.text.startswith("Cancelled.")


async def test_a_caption_is_truncated_to_telegrams_limit(
    chat: TelegramChat, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.messages.format_caption", lambda result, locale: "😀" * 2000)
    await chat.deliver(make_result(HERE, tmp_path, png()))
    await chat.deliver(make_result(ChatAddress(12), tmp_path, png(), png()))
    assert world.in_chat(11)[0].text == "😀" * 511 + "…"
    assert world.in_chat(12)[-1].text.startswith("😀" * 2000)


@pytest.mark.parametrize("address", [HERE, ChatAddress(11)])
async def test_a_person_who_blocked_the_bot_is_undeliverable(
    chat: TelegramChat, world: World, tmp_path: Path, address: ChatAddress
) -> None:
    world.blocked.add(11)
    with pytest.raises(Undeliverable, match="blocked"):
        await chat.deliver(make_result(address, tmp_path, png()))


@pytest.mark.parametrize("address", [HERE, ChatAddress(11)])
async def test_a_chat_that_is_gone_is_undeliverable(
    chat: TelegramChat, world: World, tmp_path: Path, address: ChatAddress
) -> None:
    world.gone.add(11)
    with pytest.raises(Undeliverable, match="hat not found"):
        await chat.deliver(make_result(address, tmp_path, png()))


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_result_follows_a_group_that_became_a_supergroup(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    world.migrated[GROUP_ID] = -100_999
    contents = [png(colour) for colour in ("peru", "navy")[:count]]
    await chat.deliver(make_result(ChatAddress(GROUP_ID, reply_to=1, message_id=50), tmp_path, *contents))
    assert len(world.in_chat(-100_999)) == (1 if count < 2 else 3)
    assert desk.addresses["j1"].chat_id == "-100999"


async def test_a_lost_answer_makes_the_desk_repeat_and_the_edit_shows_once(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    server.fail("editMessageMedia", 502, "Bad Gateway", is_done_first=True)
    result = make_result(HERE, tmp_path, png())
    with pytest.raises(NetworkError):
        await chat.deliver(result)
    await chat.deliver(result)
    assert len(world.in_chat(11)) == 1


async def test_a_picture_without_a_placeholder_is_shown_once_though_every_answer_is_lost(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    server.fail("editMessageMedia", 502, "Bad Gateway", is_done_first=True)
    address = ChatAddress(12, reply_to=1)
    with pytest.raises(NetworkError):
        await chat.deliver(make_result(address, tmp_path, png()))
    await chat.deliver(make_result(ChatAddress.parse(desk.addresses["j1"]), tmp_path, png()))
    (shown,) = world.in_chat(12)
    assert (shown.file, shown.reply_to) == (png(), 1)
    assert not server.named("sendPhoto")


async def test_an_album_that_may_have_arrived_is_only_sent_again_on_request(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    server.fail("sendMediaGroup", 502, "Bad Gateway", is_done_first=True)
    contents = png("peru"), png("navy")
    with pytest.raises(NetworkError):
        await chat.deliver(make_result(HERE, tmp_path, *contents))
    assert ChatAddress.parse(desk.addresses["j1"]).is_album_in_flight
    with pytest.raises(Undeliverable, match="may have arrived"):
        await chat.deliver(make_result(ChatAddress.parse(desk.addresses["j1"]), tmp_path, *contents))
    control, *album = world.in_chat(11)
    assert [sent.file for sent in album] == list(contents)
    assert "/mine" in control.text
    assert "64 × 64" in control.text
    # The person asks for it with /mine, which gives only the chat.
    await chat.deliver(make_result(ChatAddress(11), tmp_path, *contents))
    *album, control = world.in_chat(11)[3:]
    assert [sent.file for sent in album] == list(contents)
    assert "/mine" not in control.text


@pytest.mark.parametrize(
    ("code", "description"), [(400, "Bad Request: IMAGE_PROCESS_FAILED"), (403, "Forbidden: bot was kicked")]
)
async def test_an_album_that_telegram_refused_is_sent_again(
    chat: TelegramChat,
    server: TelegramServer,
    world: World,
    desk: ScriptedDesk,
    tmp_path: Path,
    code: int,
    description: str,
) -> None:
    server.fail("sendMediaGroup", code, description)
    contents = png("peru"), png("navy")
    with pytest.raises((BadRequest, Undeliverable)):
        await chat.deliver(make_result(HERE, tmp_path, *contents))
    await chat.deliver(make_result(ChatAddress.parse(desk.addresses["j1"]), tmp_path, *contents))
    assert [sent.file for sent in world.in_chat(11)[1:]] == list(contents)


async def test_an_album_is_stored_as_in_flight_before_it_is_sent(
    chat: TelegramChat, server: TelegramServer, desk: ScriptedDesk, tmp_path: Path
) -> None:
    server.delays_s["sendMediaGroup"] = 5.0
    delivering = asyncio.create_task(chat.deliver(make_result(HERE, tmp_path, png("peru"), png("navy"))))
    await server.until(lambda: server.named("sendMediaGroup"))
    assert ChatAddress.parse(desk.addresses["j1"]).is_album_in_flight
    delivering.cancel()
    await asyncio.wait([delivering])
    assert ChatAddress.parse(desk.addresses["j1"]).is_album_in_flight  # it may have arrived


@pytest.mark.parametrize(
    ("cause", "may"),
    [
        (httpx.ConnectError(""), False),
        (httpx.ConnectTimeout(""), False),
        (httpx.ReadTimeout(""), True),
        (None, True),
    ],
)
def test_only_a_request_that_was_never_sent_cannot_have_arrived(cause: Exception | None, may: bool) -> None:
    error = TimedOut()
    error.__cause__ = cause
    assert may_have_arrived(error) is may


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_retry_after_is_obeyed(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    server.fail("editMessageMedia", 429, "Too Many Requests: retry after 1", retry_after=1)
    await chat.deliver(make_result(HERE, tmp_path, png()))
    first, second = server.named("editMessageMedia")
    assert second.at_s - first.at_s >= 1.0
    assert world.in_chat(11)[0].file == png()


async def test_a_status_that_waited_never_replaces_the_result(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    other = ChatAddress(11, message_id=51)
    world.messages[11, 51] = Sent(11, 51, "text", "waiting")
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: "1 of 8" in world.texts(11)[0])
    await chat.show(make_status(HERE, step=2))
    await chat.show(make_status(other, step=3, job_id="j2"))
    await chat.deliver(make_result(HERE, tmp_path, state=JobState.FAILED))
    await server.until(lambda: "3 of 8" in world.texts(11)[1])
    assert "2 of 8" not in world.texts(11)[0]


async def test_a_running_status_edit_arrives_before_the_result(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    server.delays_s["editMessageText"] = 0.3
    await chat.show(make_status(HERE, step=1))
    await server.until(lambda: server.named("editMessageText"))
    await chat.deliver(make_result(HERE, tmp_path, state=JobState.FAILED))
    assert "1 of 8" in world.history[-2].text
    assert "1 of 8" not in world.texts(11)[0]


async def test_a_picture_faster_than_its_placeholder_replaces_it(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    server.delays_s["sendMessage"] = 0.3
    message_id = world.say("a fox", by=Person(12))
    await server.until(lambda: server.named("sendMessage"))
    await chat.deliver(make_result(ChatAddress(12, reply_to=message_id), tmp_path, png()))
    await server.until(lambda: desk.settled)
    (shown,) = world.in_chat(12)
    assert shown.file == png()
    assert ChatAddress.parse(desk.addresses["j1"]).message_id == shown.message_id


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_after_a_crash_a_result_being_sent_needs_no_placeholder(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    message_id = world.say("a fox", by=Person(12))
    assert isinstance(desk.answer, Script)
    desk.answer.jobs[f"12:{message_id}"] = "j1"  # accepted before the crash, never announced
    server.delays_s["sendMediaGroup" if count > 1 else "sendMessage"] = 0.3
    result = make_result(ChatAddress(12, reply_to=message_id), tmp_path, *[png("peru"), png("navy")][:count])
    await asyncio.gather(chat.deliver(result), server.until(lambda: desk.settled))
    assert len(world.in_chat(12)) == (1 if count < 2 else 3)
    assert len(ChatAddress.parse(desk.addresses["j1"]).album) == (0 if count < 2 else 2)


async def test_a_placeholder_that_fails_does_not_block_the_picture(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path
) -> None:
    server.delays_s["sendMessage"] = 0.1
    server.fail("sendMessage", 403, "Forbidden: bot can't initiate conversation with a user")
    message_id = world.say("a fox", by=Person(12))
    await server.until(lambda: server.named("sendMessage"))
    await chat.deliver(make_result(ChatAddress(12, reply_to=message_id), tmp_path, png()))
    assert world.in_chat(12)[0].file == png()


async def test_a_group_at_its_limit_is_retried_later_and_blocks_no_other_chat(
    chat: TelegramChat, server: TelegramServer, tmp_path: Path
) -> None:
    address = ChatAddress(GROUP_ID, message_id=50)
    for _ in range(19):
        await chat.deliver(make_result(address, tmp_path))
    with pytest.raises(RetryLater):
        await chat.deliver(make_result(address, tmp_path, png(), png()))
    assert not server.named("sendMediaGroup")


async def test_mine_delivers_a_kept_picture_to_the_asking_chat(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    message_id = world.say("a fox", by=Person(12))
    await server.until(lambda: desk.settled)
    world.blocked.add(12)
    with pytest.raises(Undeliverable):
        await chat.deliver(make_result(ChatAddress(12, reply_to=message_id), tmp_path, png()))
    result = make_result(HERE, tmp_path, png())
    await chat.deliver(replace(result, address=Address(Platform.TELEGRAM, "11", "")))
    assert world.in_chat(11)[-1].file == png()


@pytest.mark.parametrize("method", ["sendMediaGroup", "editMessageMedia"])
async def test_a_chat_that_accepts_no_pictures_gets_a_pointer_to_mine(
    chat: TelegramChat, server: TelegramServer, world: World, tmp_path: Path, method: str
) -> None:
    server.fail(method, 400, "Bad Request: not enough rights to send photos to the chat")
    contents = [png("peru"), png("navy")][: 2 if method == "sendMediaGroup" else 1]
    with pytest.raises(Undeliverable):
        await chat.deliver(make_result(HERE, tmp_path, *contents))
    (placeholder,) = world.in_chat(11)
    assert "/mine" in placeholder.text


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_an_album_that_waits_for_the_rate_limit_is_not_in_flight(
    chat: TelegramChat, server: TelegramServer, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    server.fail("sendMediaGroup", 429, "Too Many Requests: retry after 30", retry_after=30)
    contents = png("peru"), png("navy")
    delivering = asyncio.create_task(chat.deliver(make_result(HERE, tmp_path, *contents)))
    await server.until(lambda: server.refusals)
    await until(lambda: not ChatAddress.parse(desk.addresses["j1"]).is_album_in_flight)
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert ChatAddress.parse(desk.addresses["j1"]) == HERE
    async with serving(server, desk) as after_the_stop:
        await after_the_stop.deliver(
            make_result(ChatAddress.parse(desk.addresses["j1"]), tmp_path, *contents)
        )
    assert [sent.file for sent in world.in_chat(11)[1:]] == list(contents)
