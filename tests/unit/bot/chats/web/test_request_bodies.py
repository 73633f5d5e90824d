import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from bot.chats.web.desk_client import DrawOptions
from bot.chats.web.request_bodies import MAX_TEXT_CHARS, LanguageBody, PressBody, SayBody
from bot.commands.values import Ratio
from engine.shelf.names import MAX_NAME

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_a_message_with_its_controls() -> None:
    body = SayBody.model_validate_json(
        '{"text": "a face", "lora": "anime", "weight": 1, "shape": "2:3", "count": 2}'
    )

    assert body.text == "a face"
    assert body.options == DrawOptions("anime", 1.0, Ratio(2, 3), 2)


def test_every_name_of_the_shelf_can_be_chosen() -> None:
    name = "x" * MAX_NAME
    assert SayBody(text="a face", lora=name).options.lora == name


@pytest.mark.parametrize("lora", ["", "none"])
def test_a_weight_without_a_named_lora_counts_for_nothing(lora: str) -> None:
    assert SayBody(text="a face", lora=lora, weight=0.5).options.weight is None


def test_control_characters_become_spaces_and_lines_stay() -> None:
    assert SayBody(text="a\x00b\x1b[31m\u0085c\td\ne").text == "a b [31m c\td\ne"


def test_no_character_turns_the_text_behind_it() -> None:
    assert SayBody(text="a \u202egirl\u202c \u2067x\u2069 שלום 👩\u200d🎤").text == "a girl x שלום 👩\u200d🎤"


@pytest.mark.parametrize(
    "raw",
    [
        '{"text": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}',
        '{"text": ["a"]}',
        '{"text": 1}',
        '{"text": null}',
        "{}",
        '{"text": "a", "count": true}',
        '{"text": "a", "count": 1.0}',
        '{"text": "a", "count": "1"}',
        '{"text": "a", "count": 0}',
        '{"text": "a", "count": 5}',
        '{"text": "a", "weight": NaN}',
        '{"text": "a", "weight": Infinity}',
        '{"text": "a", "weight": "1"}',
        '{"text": "a", "weight": 2.1}',
        '{"text": "a", "shape": "0:0"}',
        '{"text": "a", "shape": "2:3\\n"}',
        '{"text": "\\ud800"}',
        '{"text": "a", "extra": 1}',
        f'{{"text": "{"x" * (MAX_TEXT_CHARS + 1)}"}}',
        f'{{"text": "a", "lora": "{"x" * (MAX_NAME + 1)}"}}',
    ],
)
def test_anything_else_is_refused(raw: str) -> None:
    with pytest.raises(ValidationError):
        SayBody.model_validate_json(raw)


@pytest.mark.parametrize("model", [SayBody, PressBody, LanguageBody])
@given(value=JSON, key=st.sampled_from(["text", "press", "locale", "lora", "weight", "shape", "count"]))
def test_a_body_holds_plain_values_or_is_refused(model: type[BaseModel], value: object, key: str) -> None:
    try:
        body = model.model_validate({"text": "a face", key: value} if model is SayBody else {key: value})
    except ValidationError:
        return
    assert all(type(part) in (str, int, float, type(None)) for part in body.model_dump().values())


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refused:
        PressBody.model_validate_json('{"press": ["the words of a prompt"]}')

    assert "words of a prompt" not in str(refused.value)
