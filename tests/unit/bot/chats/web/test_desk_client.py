import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.web import desk_client
from bot.chats.web.conversation import BotMessage, Conversation, UserMessage, WorkMessage
from bot.chats.web.desk_client import DeskClient, DrawOptions, preferred_locale
from bot.commands.values import (
    Cancel,
    Command,
    Draw,
    LoraWish,
    Mine,
    PersonSettings,
    PixelSize,
    Quota,
    Ratio,
    ReadSettings,
)
from bot.errors import BadSize, EmptyPrompt, PersonError, SugarbotError
from bot.outcomes import (
    AddStage,
    CommandContext,
    CreditBalance,
    History,
    HistoryEntry,
    JobState,
    LoraAdded,
    LoraAdding,
    LoraListing,
    LoraSummary,
    Outcome,
    Platform,
    SettingsShown,
)
from tests.fakes.desk import Answer, ScriptedDesk
from tests.unit.bot.chats.making import JOB, make_recipe

CREDITS = CreditBalance(12, 40, 1_800_000_000)
OPTIONS = DrawOptions(lora="anime", weight=0.7, ratio=Ratio(2, 3), count=2)


def make_client(answer: Answer = lambda *_: CREDITS) -> tuple[DeskClient, ScriptedDesk]:
    desk = ScriptedDesk(answer)
    return DeskClient(desk), desk


def test_controls_complete_a_draw_command() -> None:
    command = OPTIONS.apply_to(Draw("a face"))

    assert command == Draw("a face", loras=(LoraWish("anime", 0.7),), size=Ratio(2, 3), count=2)


def test_the_text_has_priority_over_the_controls() -> None:
    typed = Draw("a face", loras=(LoraWish("sugar"),), size=PixelSize(512, 768), count=4)

    assert OPTIONS.apply_to(typed) == typed


def test_controls_change_no_other_command() -> None:
    assert OPTIONS.apply_to(Quota()) == Quota()


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-TW"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr", "en"),
        ("fr-CH, zh-TW;q=0.9, en;q=0.8", "zh-TW"),
        ("", "en"),
    ],
)
def test_a_page_uses_the_browser_s_first_supported_language(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


@given(st.text(max_size=200))
def test_any_language_header_gives_a_language(header: str) -> None:
    assert preferred_locale(header) in ("en", "zh-CN")


async def test_a_message_and_its_answer_join_the_conversation() -> None:
    desk_client, desk = make_client()
    conversation = Conversation("page", "zh-CN")

    await desk_client.say(conversation, "/quota", DrawOptions())

    event_id = desk.handled[0][1].event_id
    assert conversation.entries == (UserMessage("/quota", event_id), BotMessage(CREDITS))
    ((command, context),) = desk.handled
    assert command == Quota()
    assert (context.platform, context.user_id, context.locale) == (Platform.WEB, "local", "zh-CN")
    assert context.address.chat_id == "page"


@pytest.mark.parametrize("text", ["", "  ", "\n\u3000"])
async def test_an_empty_message_is_answered_but_leaves_no_empty_bubble(text: str) -> None:
    desk_client, _ = make_client()
    conversation = Conversation("page", "en")

    await desk_client.say(conversation, text, OPTIONS)

    [answer] = conversation.entries
    assert isinstance(answer, BotMessage)
    assert isinstance(answer.outcome, EmptyPrompt)


async def test_every_message_is_an_event_of_its_own() -> None:
    desk_client, desk = make_client()
    conversation = Conversation("page", "en")

    await desk_client.say(conversation, "/quota", DrawOptions())
    await desk_client.say(conversation, "/quota", DrawOptions())

    assert len({context.event_id for _, context in desk.handled}) == 2


async def test_a_refusal_is_an_answer() -> None:
    desk_client, desk = make_client()
    conversation = Conversation("page", "en")

    await desk_client.say(conversation, "a face --size 0", DrawOptions())

    assert desk.handled == []
    assert isinstance(conversation.entries[-1], BotMessage)
    assert isinstance(conversation.entries[-1].outcome, BadSize)


async def test_a_pressed_button_runs_its_command() -> None:
    desk_client, desk = make_client()

    await desk_client.press(Conversation("page", "en"), f"v1:c:{JOB}")

    assert desk.handled[0][0] == Cancel(JOB)


@given(st.text(max_size=100))
async def test_a_forged_button_is_refused(data: str) -> None:
    desk_client, desk = make_client()
    conversation = Conversation("page", "en")

    await desk_client.press(conversation, data)

    assert desk.handled == []
    assert isinstance(conversation.entries[-1], BotMessage)
    assert isinstance(conversation.entries[-1].outcome, PersonError)


async def test_one_broken_message_does_not_end_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_command: Command, _context: CommandContext) -> Outcome:
        raise ZeroDivisionError

    desk_client, _ = make_client(broken)
    conversation = Conversation("page", "en")

    await desk_client.say(conversation, "the words of a prompt", DrawOptions())

    assert isinstance(conversation.entries[-1], BotMessage)
    assert isinstance(conversation.entries[-1].outcome, SugarbotError)
    assert "the words of a prompt" not in capsys.readouterr().out


async def test_a_conversation_of_an_earlier_run_begins_with_the_newest_jobs() -> None:
    history = History((HistoryEntry("old1", JobState.DONE, make_recipe()),))
    desk_client, desk = make_client(lambda *_: history)
    conversation = Conversation("page", "en")

    await desk_client.restore_history(conversation)

    assert conversation.entries == (BotMessage(history),)
    assert desk.handled[0][0] == Mine()


@pytest.mark.parametrize("answer", [History(()), CREDITS])
async def test_without_earlier_jobs_a_conversation_begins_empty(answer: Outcome) -> None:
    desk_client, _ = make_client(lambda *_: answer)
    conversation = Conversation("page", "en")

    await desk_client.restore_history(conversation)

    assert conversation.entries == ()


async def test_the_default_lora_is_that_of_the_chat() -> None:
    anime = LoraSummary("anime", {"en": "Anime"}, "", 1.0)
    desk_client, desk = make_client(
        lambda *_: LoraListing((LoraSummary("sugar", {}, "", 0.8), anime), "anime")
    )

    assert await desk_client.default_lora(Conversation("page", "en")) == anime
    assert desk.handled[0][1].address.chat_id == "page"


async def test_a_missing_default_is_none() -> None:
    desk_client, _ = make_client(lambda *_: LoraListing((), ""))

    assert await desk_client.default_lora(Conversation("page", "en")) is None


async def test_a_changed_text_reaches_the_desk_with_the_job_it_came_from() -> None:
    desk_client, desk = make_client()
    conversation = Conversation("page", "en")
    await desk_client.say(conversation, "a face --seed 7", DrawOptions(), edits=JOB)
    await desk_client.say(conversation, "/quota", DrawOptions(), edits=JOB)
    edited = Draw("a face", seed=7, edited_from=JOB)
    assert [command for command, _ in desk.handled] == [edited, Quota()]


async def test_how_far_a_long_command_is_stands_where_its_answer_will_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_client, "SHOW_WORK_EVERY_S", 0.01)
    added, may_end = LoraAdded("a", 1, "0" * 64, "", 0.1), asyncio.Event()
    client, desk = make_client(lambda *_: added)
    desk.progress = LoraAdding("a", AddStage.DOWNLOAD, 1, 2)
    handle = desk.handle

    async def handle_slowly(command: Command, context: CommandContext) -> Outcome:
        await may_end.wait()
        return await handle(command, context)

    monkeypatch.setattr(desk, "handle", handle_slowly)
    conversation = Conversation("c", "en")
    await client.say(conversation, "/lora add hf:o/n/a.safetensors", DrawOptions())
    async with asyncio.timeout(30):
        while len(conversation.entries) < 2:
            await conversation.wait_for_change(conversation.version)
        [work] = conversation.entries[1:]
        assert isinstance(work, WorkMessage)
        assert work.progress == desk.progress
        may_end.set()
        while not isinstance(conversation.entries[1], BotMessage):
            await conversation.wait_for_change(conversation.version)
    assert conversation.entries[1:] == (BotMessage(added),)


async def test_a_picture_s_file_is_read_by_the_desk() -> None:
    client, desk = make_client()
    conversation = Conversation("page", "en")

    await client.read_settings(conversation, b"a picture")
    while not desk.handled:  # noqa: ASYNC110 - the answer comes in a task of its own
        await asyncio.sleep(0)

    ((command, _),) = desk.handled
    assert isinstance(command, ReadSettings)
    assert command.file is not None
    assert command.file.read is not None
    assert (command.file.size, await command.file.read()) == (9, b"a picture")
    assert conversation.entries[0] == UserMessage("/info")


def test_one_picture_leaves_the_number_to_the_settings_of_the_person() -> None:
    assert DrawOptions().apply_to(Draw("a face")).count is None  # type: ignore[union-attr]
    assert OPTIONS.apply_to(Draw("a face", count=1)).count == 1  # type: ignore[union-attr]


LANGUAGE_SET = SettingsShown(PersonSettings(), is_changed=True)


@pytest.mark.parametrize(
    ("said", "kept", "locale"),
    [
        ("/settings --language zh-TW", "zh-TW", "zh-TW"),
        ("/settings --language auto", "", "zh-CN"),
        ("/settings reset", "", "zh-CN"),
        ("/settings reset language", "", "zh-CN"),
        ("/profile --language zh-TW", "zh-TW", "zh-TW"),
        ("/settings --size 2:3", "zh-TW", "en"),
    ],
)
async def test_the_page_follows_the_settings_when_they_set_the_language(
    said: str, kept: str, locale: str
) -> None:
    client, desk = make_client(lambda *_: LANGUAGE_SET)
    conversation = Conversation("c", "zh-CN")
    conversation.locale = "en"
    desk.languages = {"local": kept} if kept else {}

    await client.say(conversation, said, DrawOptions())

    assert conversation.locale == locale
