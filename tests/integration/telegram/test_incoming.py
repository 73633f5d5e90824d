"""Reading updates: whatever the text, it is cut where Telegram would; whatever the JSON, it has a name."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import User

from bot.chats.telegram_.incoming import Ignored, Said, chat_key, event_key, read
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.sender import cut
from tests.fakes.telegram_world import BOT, Group, Person, World

ME = User(BOT["id"], "Sugar", is_bot=True, username=BOT["username"])
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@/\0"), min_size=1, max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "callback_query", "chat", "id", "message_id"]), inner)
    ),
    max_leaves=12,
)


def said(text: str, **how: Any) -> Said | Ignored:
    world = World()
    world.say(text, **how)
    event = read(world.updates[0], ME)
    assert isinstance(event, Said | Ignored)
    return event


@settings(deadline=None)
@given(WORDS)
def test_in_a_private_chat_a_prompt_arrives_as_it_was_typed(words: str) -> None:
    event = said(words)
    assert isinstance(event, Said)
    assert event.text == words.strip()


@settings(deadline=None)
@given(WORDS, WORDS)
def test_a_mention_is_taken_out_wherever_it_stands(before: str, after: str) -> None:
    event = said(f"{before} @sugar_test_bot {after}", group=Group())
    assert isinstance(event, Said)
    assert event.text == f"{before}  {after}".strip()


@settings(deadline=None)
@given(WORDS)
def test_a_command_keeps_its_text_and_loses_the_name(words: str) -> None:
    event = said(f"/sugar@Sugar_Test_Bot {words}", group=Group())
    assert isinstance(event, Said)
    assert event.text == f"/sugar {words}"


@settings(deadline=None)
@given(st.text(), st.lists(st.tuples(st.integers(-5, 9999), st.integers(-5, 9999)), max_size=3))
def test_entities_that_point_nowhere_break_nothing(text: str, spans: list[tuple[int, int]]) -> None:
    world = World()
    world.say(text, by=Person())
    message = world.updates[0]["message"]
    message["entities"] = [{"type": "mention", "offset": at, "length": length} for at, length in spans]
    read(world.updates[0], ME)


@settings(deadline=None)
@given(JSON)
def test_any_update_has_a_name_and_a_chat(raw: Any) -> None:
    update = {"update_id": 5, "message": raw, "callback_query": raw}
    assert event_key(update)
    assert isinstance(chat_key(update), str)


@settings(deadline=None)
@given(st.text(max_size=50), st.integers(1, 50))
def test_text_is_cut_by_utf16_units_and_between_characters(text: str, limit: int) -> None:
    shorter = cut(text, limit)
    assert len(shorter.encode("utf-16-le")) // 2 <= limit
    assert shorter == text or text.startswith(shorter.removesuffix("…"))


@settings(deadline=None)
@given(
    st.builds(
        Place,
        st.integers(),
        reply_to=st.none() | st.integers(1),
        thread_id=st.none() | st.integers(1),
        message_id=st.none() | st.integers(1),
        album=st.lists(st.integers(1), max_size=4).map(tuple),
    )
)
def test_a_place_survives_being_stored(place: Place) -> None:
    assert Place.of(place.address()) == place
