"""Parsing: texts and mentions of any form, and malformed JSON."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from telegram import User

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.parsing import chat_key_of, event_id_of, parse_update
from bot.chats.telegram_.incoming.updates import IgnoredUpdate, TextMessage
from bot.chats.telegram_.outgoing.texts import truncate
from tests.fakes.telegram_values import BOT, Group, Person
from tests.fakes.telegram_world import World

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


def parse_text(text: str, **how: Any) -> TextMessage | IgnoredUpdate:
    world = World()
    world.say(text, **how)
    event = parse_update(world.updates[0], ME)
    assert isinstance(event, TextMessage | IgnoredUpdate)
    return event


@given(WORDS)
def test_in_a_private_chat_a_prompt_arrives_as_it_was_typed(words: str) -> None:
    event = parse_text(words)
    assert isinstance(event, TextMessage)
    assert event.text == words.strip()


@given(WORDS, WORDS)
def test_a_mention_is_removed_at_any_position(before: str, after: str) -> None:
    event = parse_text(f"{before} @sugar_test_bot {after}", group=Group())
    assert isinstance(event, TextMessage)
    assert event.text == f"{before}  {after}".strip()


@given(WORDS)
def test_a_command_keeps_its_text_and_loses_the_name(words: str) -> None:
    event = parse_text(f"/sugar@Sugar_Test_Bot {words}", group=Group())
    assert isinstance(event, TextMessage)
    assert event.text == f"/sugar {words}"


@given(st.text(), st.lists(st.tuples(st.integers(-5, 9999), st.integers(-5, 9999)), max_size=3))
def test_entities_that_point_nowhere_break_nothing(text: str, spans: list[tuple[int, int]]) -> None:
    world = World()
    world.say(text, by=Person())
    message = world.updates[0]["message"]
    message["entities"] = [{"type": "mention", "offset": at, "length": length} for at, length in spans]
    parse_update(world.updates[0], ME)


@given(JSON)
def test_any_update_has_an_event_id_and_a_chat_key(raw: Any) -> None:
    update = {"update_id": 5, "message": raw, "callback_query": raw}
    assert event_id_of(update)
    assert isinstance(chat_key_of(update), str)


@given(st.text(max_size=50), st.integers(1, 50))
def test_text_is_truncated_by_utf16_units_and_between_characters(text: str, limit: int) -> None:
    shorter = truncate(text, limit)
    assert len(shorter.encode("utf-16-le")) // 2 <= limit
    assert shorter == text or text.startswith(shorter.removesuffix("…"))


@given(
    st.builds(
        ChatAddress,
        st.integers(),
        reply_to=st.none() | st.integers(1),
        thread_id=st.none() | st.integers(1),
        message_id=st.none() | st.integers(1),
        album=st.lists(st.integers(1), max_size=4).map(tuple),
    )
)
def test_an_address_survives_being_stored(address: ChatAddress) -> None:
    assert ChatAddress.parse(address.to_address()) == address
