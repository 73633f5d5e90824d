"""Stored answers read back as they were, and nothing but answers is ever made from stored text."""

import json

import pytest

from bot import errors
from bot.commands.values import Help, Scope
from bot.desk.answers import decode, encode
from bot.messages import format_error
from bot.outcomes import (
    CancelAccepted,
    LinkCode,
    LinkConfirmation,
    Linked,
    LoraSwitched,
    Outcome,
    Platform,
    Unlinked,
)
from tests.unit.bot.messages.test_refusals import FACTS, family

OUTCOMES: list[Outcome] = [
    CancelAccepted("k3", was_running=True),
    CancelAccepted("k4", was_running=False, refund=3),
    LinkCode("ABCDEFGH", 10),
    LinkConfirmation("ABCDEFGH", Platform.DISCORD, "糖\u200b🙂"),
    Linked((Platform.DISCORD, Platform.TELEGRAM), 12),
    Unlinked(Platform.TELEGRAM),
    LoraSwitched("sugar", 0.8, Scope.BOT),
]
REFUSALS = [kind for kind in family(errors.PersonError) if kind.__module__.startswith("bot.errors.")]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
def test_an_outcome_reads_back_equal_with_the_same_types(outcome: Outcome) -> None:
    again = decode(encode(outcome))
    assert again == outcome
    assert repr(again) == repr(outcome)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_every_refusal_says_the_same_again(kind: type[errors.PersonError]) -> None:
    refusal = kind(**FACTS | {"nearest": ((512, 768), (768, 512)), "problems": ()})
    again = decode(encode(refusal))
    assert type(again) is kind
    assert again.facts == refusal.facts
    for locale in ("en", "zh-CN"):
        assert format_error(again, locale) == format_error(refusal, locale)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "null",
        "not json",
        json.dumps({"outcome": "path", "facts": "/etc/passwd"}),
        json.dumps({"outcome": "linked", "facts": {"platforms": ["moon"], "credits": 1}}),
        json.dumps({"refusal": "OSError", "facts": {}}),
        json.dumps({"refusal": "OperatorError", "facts": {}}),
        json.dumps({"refusal": "NotYours", "facts": [1]}),
        json.dumps({"outcome": "cancel_asked", "facts": {"job_id": "k"}}),
    ],
)
def test_stored_text_of_no_known_version_is_a_plain_refusal(text: str) -> None:
    assert type(decode(text)) is errors.NotPossible


def test_an_outcome_that_is_never_stored_raises_an_internal_error() -> None:
    with pytest.raises(KeyError):
        encode(Help())
