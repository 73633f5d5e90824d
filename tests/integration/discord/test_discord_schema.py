"""The check of requests against the vendor's schema must itself be able to fail."""

from typing import Any

import pytest

from tests.fakes.discord_schema import Schema, load
from tests.fakes.specs import spec_file

BUTTON = {"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": "v1:c:1"}]}


@pytest.fixture
def schema() -> Schema:
    return load(spec_file("discord/openapi.json"))


def test_a_good_request_has_no_problem(schema: Schema) -> None:
    body = {"content": "hello", "components": [BUTTON], "nonce": "k3f9", "enforce_nonce": True}
    assert schema.problems("POST", "/channels/1/messages", {}, body) == []


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "files"),
    [
        ("POST", "/channels/1/messages", {}, {"content": "x" * 4_001}, ()),
        ("POST", "/channels/1/messages", {}, {"nonce": "x" * 26}, ()),
        ("POST", "/channels/1/messages", {}, {"contents": "a wrong key"}, ()),
        ("POST", "/channels/1/messages", {}, {"content": "x"}, ("files[10]",)),
        ("POST", "/channels/1/messages", {}, None, ()),
        ("POST", "/channels/one/messages", {}, {"content": "x"}, ()),
        ("PATCH", "/webhooks/1/token/messages/@original", {}, {"content": "x" * 2_001}, ()),
        ("PATCH", "/webhooks/1/token/messages/2", {"with_components": "maybe"}, {"content": "x"}, ()),
        ("POST", "/interactions/1/token/callback", {"wait": "1"}, {"type": 5}, ()),
        ("POST", "/interactions/1/token/callback", {}, {"type": 99}, ()),
        ("PUT", "/applications/1/commands", {}, [{"name": "x" * 33}], ()),
        ("DELETE", "/gateway/bot", {}, None, ()),
        ("POST", "/users/@me/channels", {}, {"recipient_id": "nobody"}, ()),
    ],
)
def test_a_bad_request_is_noticed(
    schema: Schema, method: str, path: str, query: dict[str, str], body: Any, files: tuple[str, ...]
) -> None:
    assert schema.problems(method, path, query, body, files)
