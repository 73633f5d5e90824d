import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.web.conversation import Answered, Conversation, Said
from bot.chats.web.talks import Talks, Wishes, language_of
from bot.commands.values import Cancel, Command, Draw, LoraWish, Mine, PixelSize, Quota, Ratio
from bot.errors import BadSize, EmptyPrompt, PersonError, SugarbotError
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    History,
    HistoryEntry,
    JobState,
    LoraListing,
    LoraSummary,
    Outcome,
    Platform,
)
from tests.fakes.desk import Answer, ScriptedDesk
from tests.unit.bot.chats.making import JOB, make_recipe

CREDITS = CreditBalance(12, 40, 1_800_000_000)
WISHES = Wishes(lora="anime", weight=0.7, ratio=Ratio(2, 3), count=2)


def make_talks(answer: Answer = lambda *_: CREDITS) -> tuple[Talks, ScriptedDesk]:
    desk = ScriptedDesk(answer)
    return Talks(desk), desk


def test_controls_fill_what_the_text_left_unsaid() -> None:
    drawing = WISHES.join(Draw("a face"))

    assert drawing == Draw("a face", loras=(LoraWish("anime", 0.7),), size=Ratio(2, 3), count=2)


def test_what_the_text_says_goes_before_the_controls() -> None:
    typed = Draw("a face", loras=(LoraWish("sugar"),), size=PixelSize(512, 768), count=4)

    assert WISHES.join(typed) == typed


def test_controls_change_no_other_command() -> None:
    assert WISHES.join(Quota()) == Quota()


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr", "en"),
        ("fr-CH, zh-TW;q=0.9, en;q=0.8", "zh-CN"),
        ("", "en"),
    ],
)
def test_a_page_speaks_the_browser_s_first_language_that_we_know(header: str, locale: str) -> None:
    assert language_of(header) == locale


@given(st.text(max_size=200))
def test_any_language_header_gives_a_language(header: str) -> None:
    assert language_of(header) in ("en", "zh-CN")


async def test_a_message_and_its_answer_join_the_conversation() -> None:
    talks, desk = make_talks()
    talk = Conversation("page", "zh-CN")

    await talks.say(talk, "/quota", Wishes())

    assert talk.entries == (Said("/quota"), Answered(CREDITS))
    ((command, context),) = desk.handled
    assert command == Quota()
    assert (context.platform, context.user_id, context.locale) == (Platform.WEB, "local", "zh-CN")
    assert context.address.chat_id == "page"


@pytest.mark.parametrize("text", ["", "  ", "\n\u3000"])
async def test_an_empty_message_is_answered_but_leaves_no_empty_bubble(text: str) -> None:
    talks, _ = make_talks()
    talk = Conversation("page", "en")

    await talks.say(talk, text, WISHES)

    [answer] = talk.entries
    assert isinstance(answer, Answered)
    assert isinstance(answer.outcome, EmptyPrompt)


async def test_every_message_is_an_event_of_its_own() -> None:
    talks, desk = make_talks()
    talk = Conversation("page", "en")

    await talks.say(talk, "/quota", Wishes())
    await talks.say(talk, "/quota", Wishes())

    assert len({context.event_id for _, context in desk.handled}) == 2


async def test_a_refusal_is_an_answer() -> None:
    talks, desk = make_talks()
    talk = Conversation("page", "en")

    await talks.say(talk, "a face --size 0", Wishes())

    assert desk.handled == []
    assert isinstance(talk.entries[-1], Answered)
    assert isinstance(talk.entries[-1].outcome, BadSize)


async def test_a_press_is_the_command_it_carries() -> None:
    talks, desk = make_talks()

    await talks.press(Conversation("page", "en"), f"v1:c:{JOB}")

    assert desk.handled[0][0] == Cancel(JOB)


@given(st.text(max_size=100))
async def test_a_forged_press_is_refused(data: str) -> None:
    talks, desk = make_talks()
    talk = Conversation("page", "en")

    await talks.press(talk, data)

    assert desk.handled == []
    assert isinstance(talk.entries[-1], Answered)
    assert isinstance(talk.entries[-1].outcome, PersonError)


async def test_one_broken_message_does_not_end_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_command: Command, _visit: CommandContext) -> Outcome:
        raise ZeroDivisionError

    talks, _ = make_talks(broken)
    talk = Conversation("page", "en")

    await talks.say(talk, "the words of a prompt", Wishes())

    assert isinstance(talk.entries[-1], Answered)
    assert isinstance(talk.entries[-1].outcome, SugarbotError)
    assert "the words of a prompt" not in capsys.readouterr().out


async def test_a_conversation_of_an_earlier_run_begins_with_the_newest_jobs() -> None:
    history = History((HistoryEntry("old1", JobState.DONE, 0, make_recipe()),))
    talks, desk = make_talks(lambda *_: history)
    talk = Conversation("page", "en")

    await talks.recall(talk)

    assert talk.entries == (Answered(history),)
    assert desk.handled[0][0] == Mine()


@pytest.mark.parametrize("answer", [History(()), CREDITS])
async def test_without_earlier_jobs_a_conversation_begins_empty(answer: Outcome) -> None:
    talks, _ = make_talks(lambda *_: answer)
    talk = Conversation("page", "en")

    await talks.recall(talk)

    assert talk.entries == ()


async def test_the_default_lora_is_that_of_the_chat() -> None:
    anime = LoraSummary("anime", {"en": "Anime"}, "", 1.0)
    talks, desk = make_talks(lambda *_: LoraListing((LoraSummary("sugar", {}, "", 0.8), anime), "anime"))

    assert await talks.default_lora(Conversation("page", "en")) == anime
    assert desk.handled[0][1].address.chat_id == "page"


async def test_no_default_is_none() -> None:
    talks, _ = make_talks(lambda *_: LoraListing((), ""))

    assert await talks.default_lora(Conversation("page", "en")) is None
