"""The address of an answer: its states over time, and its JSON form in the database."""

import json

import pytest

from bot.chats.discord_.outgoing.address import (
    DEFAULT_FILE_BYTES,
    MARGIN_MS,
    MOVE_AFTER_MS,
    TOKEN_LIFE_MS,
    AnswerAddress,
    AnswerState,
    Response,
    SentMessage,
    UnsentMessage,
)

NOW_MS = 1_790_000_000_000
RESPONSE = Response(application_id=1, token="token", created_ms=NOW_MS, message_id=3)
MINUTES_MS = 60_000


def address_of(target: Response | UnsentMessage | SentMessage, **changed: bool) -> AnswerAddress:
    return AnswerAddress(target, user_id=4, channel_id=2, **changed)


@pytest.mark.parametrize(
    ("age_ms", "state"),
    [
        (0, AnswerState.EDITABLE),
        (MOVE_AFTER_MS - 1, AnswerState.EDITABLE),
        (MOVE_AFTER_MS, AnswerState.EXPIRING),
        (TOKEN_LIFE_MS - MARGIN_MS - 1, AnswerState.EXPIRING),
        (TOKEN_LIFE_MS - MARGIN_MS, AnswerState.CLOSED),
        (TOKEN_LIFE_MS, AnswerState.CLOSED),
    ],
)
def test_the_state_of_a_response_depends_on_the_age_of_its_token(age_ms: int, state: AnswerState) -> None:
    assert address_of(RESPONSE).state_at(NOW_MS + age_ms) is state


@pytest.mark.parametrize("age_ms", [0, MOVE_AFTER_MS, TOKEN_LIFE_MS])
def test_the_state_of_a_message_does_not_depend_on_time(age_ms: int) -> None:
    assert address_of(UnsentMessage()).state_at(NOW_MS + age_ms) is AnswerState.UNSENT
    assert address_of(SentMessage(5)).state_at(NOW_MS + age_ms) is AnswerState.SENT


def test_a_response_that_moved_is_outdated_until_it_is_edited_or_its_token_expires() -> None:
    moved = address_of(RESPONSE).sent_as(5)
    assert moved.target == SentMessage(5, moved_from=RESPONSE)
    assert moved.outdated_response(NOW_MS) == address_of(RESPONSE)
    assert moved.outdated_response(NOW_MS + TOKEN_LIFE_MS) is None
    assert moved.with_outdated_response_edited().outdated_response(NOW_MS) is None


def test_a_response_without_a_message_id_is_never_outdated() -> None:
    unknown = address_of(Response(1, "token", NOW_MS))
    assert unknown.sent_as(5).outdated_response(NOW_MS) is None


def test_a_new_message_keeps_its_reply_in_the_channel_and_loses_it_in_a_direct_message() -> None:
    replying = address_of(UnsentMessage(reply_to=9), may_attach=False)
    assert replying.sent_as(5).unsent() == replying
    direct = replying.sent_as(5).unsent_direct(77)
    assert (direct.target, direct.channel_id, direct.may_attach) == (UnsentMessage(), 77, True)


def test_a_message_carries_no_larger_files_than_the_bot_may_send() -> None:
    large = AnswerAddress(RESPONSE, 4, 2, file_bytes=50 * DEFAULT_FILE_BYTES)
    assert large.sent_as(5).file_bytes == DEFAULT_FILE_BYTES


@pytest.mark.parametrize(
    ("is_private", "may_send", "can_move"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_only_a_public_answer_moves_to_a_channel_where_the_bot_may_write(
    is_private: bool, may_send: bool, can_move: bool
) -> None:
    address = address_of(RESPONSE, is_private=is_private, may_send=may_send)
    assert address.can_move_to_channel is can_move


@pytest.mark.parametrize(
    "target",
    [
        RESPONSE,
        UnsentMessage(),
        UnsentMessage(9),
        SentMessage(5),
        SentMessage(5, reply_to=9),
        SentMessage(5, 0, RESPONSE),
    ],
)
def test_the_json_form_keeps_everything(target: Response | UnsentMessage | SentMessage) -> None:
    address = AnswerAddress(target, 4, 2, is_private=True, file_bytes=8, may_send=False, may_attach=False)
    assert AnswerAddress.from_json(address.to_json()) == address


def test_a_token_never_shows_in_a_representation() -> None:
    assert "secret" not in repr(address_of(Response(1, "secret", NOW_MS)))


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", '{"token": 1, "more": 2}', "null"])
def test_a_foreign_address_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever one, the desk keeps the result
        AnswerAddress.from_json(text)


def test_an_address_of_an_earlier_version_can_still_be_read() -> None:
    address = AnswerAddress(Response(1, "token", 1, 3), user_id=4, channel_id=2)
    facts = json.loads(address.to_json())
    del facts["may_post"]
    assert AnswerAddress.from_json(json.dumps(facts)) == address


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ({}, Response(1, "token", 1, 3)),
        ({"posted": True, "reply_to": 9, "message_id": 0}, UnsentMessage(9)),
        ({"posted": True, "reply_to": 9}, SentMessage(3, 9)),
        ({"posted": True, "answer_id": 8}, SentMessage(3, 0, Response(1, "token", 1, 8))),
    ],
)
def test_the_keys_of_the_first_version_are_still_understood(
    changed: dict[str, object], target: Response | UnsentMessage | SentMessage
) -> None:
    first = {
        "application_id": 1,
        "token": "token",
        "created_ms": 1,
        "channel_id": 2,
        "message_id": 3,
        "ephemeral": False,
        "user_id": 4,
    }
    assert AnswerAddress.from_json(json.dumps(first | changed)) == address_of(target)
