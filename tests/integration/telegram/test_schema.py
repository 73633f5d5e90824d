"""The check of requests against the vendor's schema can fail; with no schema it skips, and says so."""

import pytest

from tests.fakes.specs import spec_file
from tests.fakes.telegram_schema import TelegramSchema

BUTTON = '{{"inline_keyboard": [[{}]]}}'


@pytest.fixture(scope="module")
def schema() -> TelegramSchema:
    return TelegramSchema(spec_file("telegram/api.json"))


def test_a_good_request_has_no_problems(schema: TelegramSchema) -> None:
    button = BUTTON.format('{"text": "Cancel", "callback_data": "v1:c:j1"}')
    params = {"chat_id": "-5", "text": "hi", "reply_markup": button, "disable_notification": "true"}
    assert schema.problems("sendMessage", params) == []


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("sendPicture", {}, "no such method"),
        ("sendMessage", {"chat_id": "1"}, "text is missing"),
        ("sendMessage", {"chat_id": "1", "text": ""}, "0 characters"),
        ("sendMessage", {"chat_id": "1", "text": "x" * 4097}, "4097 characters"),
        ("sendMessage", {"chat_id": "1", "text": "x", "colour": "red"}, "unknown field colour"),
        ("sendMessage", {"chat_id": "1", "text": "x", "message_thread_id": "one"}, "no Integer"),
        ("sendMessage", {"chat_id": "1", "text": "x", "disable_notification": "yes"}, "no Boolean"),
        ("sendMessage", {"chat_id": "1", "text": "x", "reply_parameters": "{}"}, "message_id is missing"),
        ("editMessageText", {"text": "x"}, "chat_id is missing"),
        ("sendPhoto", {"chat_id": "1"}, "photo is missing"),
        ("sendMediaGroup", {"chat_id": "1", "media": "[]"}, "0 items"),
        ("editMessageMedia", {"chat_id": "1", "message_id": "1", "media": "{}"}, "is missing"),
        ("setMyCommands", {"commands": '[{"command": "画", "description": "x"}]'}, "not allowed"),
        ("setMyCommands", {"commands": '{"command": "draw"}'}, "no array"),
        ("setMyCommands", {"commands": "[]", "scope": '{"type": "chat"}'}, "setMyCommands.scope"),
        ("getMyCommands", {"scope": '{"type": "person", "chat_id": 1}'}, "getMyCommands.scope"),
    ],
)
def test_each_mistake_is_reported(
    schema: TelegramSchema, method: str, params: dict[str, str], problem: str
) -> None:
    assert any(problem in found for found in schema.problems(method, params))


@pytest.mark.parametrize(
    ("button", "problem"),
    [
        ('{"text": "a", "callback_data": "%s"}' % ("x" * 65), "65 bytes"),
        ('{"text": "a", "callback_data": ""}', "0 bytes"),
        ('{"text": "a"}', "exactly one kind"),
        ('{"text": "a", "callback_data": "b", "url": "c"}', "exactly one kind"),
    ],
)
def test_buttons_are_checked_too(schema: TelegramSchema, button: str, problem: str) -> None:
    params = {"chat_id": "1", "text": "x", "reply_markup": BUTTON.format(button)}
    assert any(problem in found for found in schema.problems("sendMessage", params))


def test_attached_parts_must_match(schema: TelegramSchema) -> None:
    media = '{"type": "photo", "media": "attach://one"}'
    params = {"chat_id": "1", "message_id": "1", "media": media}
    assert schema.problems("editMessageMedia", params, ["one"]) == []
    found = schema.problems("editMessageMedia", params, ["two"])
    assert {problem.split(": ")[1] for problem in found} == {
        "one is attached but was not sent",
        "the part two is unused",
    }


def test_an_album_with_mixed_kinds_is_a_problem(schema: TelegramSchema) -> None:
    media = '[{"type": "photo", "media": "attach://a"}, {"type": "document", "media": "attach://b"}]'
    assert schema.problems("sendMediaGroup", {"chat_id": "1", "media": media}, ["a", "b"])
