"""The host's settings as rules."""

from pathlib import Path

import pytest

from bot.policy.rules import Rules
from bot.settings import load_settings


@pytest.fixture(autouse=True)
def no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_rules_say_what_the_settings_say() -> None:
    environ = {
        "SUGARBOT_HOSTS": "discord:1,telegram:2",
        "SUGARBOT_ALLOW": "discord:*",
        "SUGARBOT_QUOTA__DAILY_CREDITS": "9",
        "SUGARBOT_QUOTA__MAX_WAITING": "2",
    }
    expected = Rules(frozenset({"discord:1", "telegram:2"}), frozenset({"discord:*"}), 9, 2)
    assert Rules.from_settings(load_settings(environ=environ)) == expected


def test_the_defaults_are_one_set_of_numbers() -> None:
    assert Rules.from_settings(load_settings(environ={})) == Rules()
